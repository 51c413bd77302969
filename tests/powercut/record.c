/* Writes down every change a process makes to the files of one folder, and every sync.

   Preloaded into SQLite's or PostgreSQL's own process. The folder behaves as always; the log says
   what a disk would have been told and in which order, so that a power cut can be played at any
   point of it (disk.py). Needs no FUSE, no root and no rights of its own.

   One record is one write to a file opened with O_APPEND, so records of several processes never
   mix. A change is written down before the call that made it returns, a sync when it is asked
   for. Syncs themselves are not carried out: only the log decides what was safe. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
    uint32_t kind, path, other;
    uint64_t offset, size;
} __attribute__((packed));

static int log_fd = -1;
static char folder[PATH_MAX];
static size_t folder_length;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("POWERCUT_LOG"), *watched = getenv("POWERCUT_FOLDER");
    if (!log || !watched || !realpath(watched, folder)) return;
    folder_length = strlen(folder);
    int opened = REAL(open)(log, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (opened < 0) abort();
    /* Out of the way of programs that count on low numbers. */
    log_fd = fcntl(opened, F_DUPFD_CLOEXEC, 600);
    if (log_fd < 0) log_fd = opened;
    else close(opened);
}

/* Returns the path inside the folder, or NULL when this is none of ours. */
static const char *inside(const char *path) {
    if (log_fd < 0 || strncmp(path, folder, folder_length) || path[folder_length] != '/')
        return NULL;
    return path + folder_length + 1;
}

static const char *of_fd(int fd, char *room) {
    char link[32];
    if (log_fd < 0 || fd == log_fd) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, room, PATH_MAX - 1);
    if (length <= 0) return NULL;
    room[length] = 0;
    /* What is written to a removed file nobody will read. */
    if (length > 10 && !strcmp(room + length - 10, " (deleted)")) return NULL;
    if (!strcmp(room, folder)) return ".";
    return inside(room);
}

static const char *of_path(const char *path, char *room) {
    char parent[PATH_MAX], *slash;
    if (log_fd < 0 || strlen(path) >= PATH_MAX) return NULL;
    strcpy(parent, path);
    slash = strrchr(parent, '/');
    if (slash) *slash = 0;
    if (!realpath(slash ? (*parent ? parent : "/") : ".", room)) return NULL;
    if (strlen(room) + strlen(path) + 2 >= PATH_MAX) return NULL;
    strcat(room, "/");
    strcat(room, slash ? slash + 1 : path);
    return inside(room);
}

static void note(char kind, const char *path, const char *other, uint64_t offset,
                 const struct iovec *data, int count, uint64_t size) {
    int before = errno;
    struct head head = {kind, strlen(path), other ? strlen(other) : 0, offset, size};
    struct iovec all[IOV_MAX] = {
        {&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other}};
    uint64_t left = data ? size : 0, whole = sizeof head + head.path + head.other + left;
    int used = 3;
    for (int i = 0; i < count && left; i++) {
        uint64_t part = data[i].iov_len < left ? data[i].iov_len : left;
        all[used++] = (struct iovec){data[i].iov_base, part};
        left -= part;
    }
    if (REAL(writev)(log_fd, all, used) != (ssize_t)whole) abort();
    errno = before;
}

static void wrote(int fd, int64_t offset, const struct iovec *data, int count, ssize_t size) {
    char room[PATH_MAX];
    const char *path = size > 0 ? of_fd(fd, room) : NULL;
    if (!path) return;
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - size;
    note('w', path, NULL, offset, data, count, size);
    if (fcntl(fd, F_GETFL) & O_DSYNC) note('s', path, NULL, 0, NULL, 0, 0);
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t done = REAL(write)(fd, data, size);
    wrote(fd, -1, &(struct iovec){(void *)data, size}, 1, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *data, int count) {
    ssize_t done = REAL(writev)(fd, data, count);
    wrote(fd, -1, data, count, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    ssize_t done = REAL(pwrite)(fd, data, size, offset);
    wrote(fd, offset, &(struct iovec){(void *)data, size}, 1, done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return pwrite(fd, data, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *data, int count, off_t offset) {
    ssize_t done = REAL(pwritev)(fd, data, count, offset);
    wrote(fd, offset, data, count, done);
    return done;
}

ssize_t pwritev64(int fd, const struct iovec *data, int count, off64_t offset) {
    return pwritev(fd, data, count, offset);
}

int ftruncate(int fd, off_t length) {
    char room[PATH_MAX];
    int done = REAL(ftruncate)(fd, length);
    const char *path = done ? NULL : of_fd(fd, room);
    if (path) note('t', path, NULL, length, NULL, 0, 0);
    return done;
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int truncate(const char *name, off_t length) {
    char room[PATH_MAX];
    int done = REAL(truncate)(name, length);
    const char *path = done ? NULL : of_path(name, room);
    if (path) note('t', path, NULL, length, NULL, 0, 0);
    return done;
}

int truncate64(const char *name, off64_t length) { return truncate(name, length); }

/* Growing a file: the new bytes are zeros, and how long it is has to be synced like the rest. */
int posix_fallocate(int fd, off_t offset, off_t length) {
    char room[PATH_MAX];
    int done = REAL(posix_fallocate)(fd, offset, length);
    const char *path = done ? NULL : of_fd(fd, room);
    if (path) note('g', path, NULL, offset + length, NULL, 0, 0);
    return done;
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    return posix_fallocate(fd, offset, length);
}

/* Said to be impossible, so that SQLite and PostgreSQL write by the calls above. */
int fallocate(int fd, int mode, off_t offset, off_t length) {
    char room[PATH_MAX];
    if (!of_fd(fd, room)) return REAL(fallocate)(fd, mode, offset, length);
    errno = EOPNOTSUPP;
    return -1;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate(fd, mode, offset, length);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    char room[PATH_MAX];
    if (!of_fd(out, room)) return REAL(copy_file_range)(in, from, out, to, size, flags);
    errno = EOPNOTSUPP;
    return -1;
}

static int sync_one(int fd, int (*call)(int)) {
    char room[PATH_MAX];
    const char *path = of_fd(fd, room);
    if (!path) return call(fd);
    note('s', path, NULL, 0, NULL, 0, 0);
    return 0;
}

int fsync(int fd) { return sync_one(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_one(fd, REAL(fdatasync)); }

static void made(int fd, int flags) {
    char room[PATH_MAX];
    const char *path = fd >= 0 && flags & (O_CREAT | O_TRUNC) ? of_fd(fd, room) : NULL;
    if (path && (flags & O_ACCMODE) != O_RDONLY)
        note(flags & O_TRUNC ? 'z' : 'c', path, NULL, 0, NULL, 0, 0);
}

#define MODE(flags, last)                        \
    mode_t mode = 0;                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {       \
        va_list more;                            \
        va_start(more, last);                    \
        mode = va_arg(more, mode_t);             \
        va_end(more);                            \
    }

int open(const char *name, int flags, ...) {
    MODE(flags, flags)
    int fd = REAL(open)(name, flags, mode);
    made(fd, flags);
    return fd;
}

int open64(const char *name, int flags, ...) {
    MODE(flags, flags)
    return open(name, flags, mode);
}

int openat(int at, const char *name, int flags, ...) {
    MODE(flags, flags)
    int fd = REAL(openat)(at, name, flags, mode);
    made(fd, flags);
    return fd;
}

int openat64(int at, const char *name, int flags, ...) {
    MODE(flags, flags)
    return openat(at, name, flags, mode);
}

int unlink(const char *name) {
    char room[PATH_MAX];
    const char *path = of_path(name, room);
    int done = REAL(unlink)(name);
    if (path && !done) note('u', path, NULL, 0, NULL, 0, 0);
    return done;
}

static int moved(char kind, const char *from, const char *to, int (*call)(const char *, const char *)) {
    char room[PATH_MAX], other[PATH_MAX];
    const char *old = of_path(from, room), *new = of_path(to, other);
    int done = call(from, to);
    if (old && new && !done) note(kind, old, new, 0, NULL, 0, 0);
    return done;
}

int rename(const char *from, const char *to) { return moved('r', from, to, REAL(rename)); }
int link(const char *from, const char *to) { return moved('l', from, to, REAL(link)); }
