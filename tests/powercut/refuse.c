/* Lets every change to the files of one folder fail as a full, read-only or broken disk does.

   Preloaded into a program. Numbers in a small file, which another program changes at any time, say
   which error to give (0: none), how many changes are still let through before it comes, and which
   kind of change fails. The fourth counts what was refused. */
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ERROR, LEFT, KIND, REFUSED, NUMBERS };
/* Every change; only a sync; only what makes a file longer, as on a full disk, of which the blocks
   that are in use can still be written; every change, but a write does its first half before; and
   one change only, after which the disk is whole again. */
enum { ALL, SYNC, GROWTH, HALF, ONCE };

static volatile int32_t *told;
static char folder[PATH_MAX];
static size_t length;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *control = getenv("REFUSE_CONTROL"), *watched = getenv("REFUSE_FOLDER");
    if (!control || !watched || !realpath(watched, folder)) return;
    length = strlen(folder);
    int fd = REAL(open)(control, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void *room = mmap(NULL, NUMBERS * sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (room == MAP_FAILED) abort();
    told = room;
}

/* Says whether this change fails; errno is then set. */
static int refused(const char *path) {
    int error = told ? told[ERROR] : 0;
    if (!error || strncmp(path, folder, length) || path[length] != '/') return 0;
    if (__sync_fetch_and_sub(&told[LEFT], 1) > 0) return 0;
    told[LEFT] = 0;
    if (told[KIND] == ONCE && !__sync_bool_compare_and_swap(&told[ERROR], error, 0)) return 0;
    __sync_fetch_and_add(&told[REFUSED], 1);
    errno = error;
    return 1;
}

static int refused_fd(int fd) {
    char link[32], path[PATH_MAX];
    if (!told || !told[ERROR]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return refused(path);
}

/* Whether bytes up to here make the file longer. */
static int longer(int fd, off64_t end) {
    struct stat64 found;
    return fstat64(fd, &found) || !S_ISREG(found.st_mode) || end > found.st_size;
}

static int refused_write(int fd, off64_t at, size_t size) {
    if (!told || !told[ERROR] || told[KIND] == SYNC) return 0;
    if (told[KIND] == GROWTH) {
        int adds = at < 0 ? fcntl(fd, F_GETFL) & O_APPEND : 0;
        if (!adds && !longer(fd, (at < 0 ? lseek64(fd, 0, SEEK_CUR) : at) + (off64_t)size)) return 0;
    }
    return refused_fd(fd);
}

static int refused_sync(int fd) { return told && told[KIND] == GROWTH ? 0 : refused_fd(fd); }

static int refused_name(const char *path) {
    return told && told[KIND] == SYNC ? 0 : refused(path);
}

/* How much of a refused write is done all the same; -1 for none, as for the next after it. */
static ssize_t half(int fd, const void *data, size_t size, off64_t at) {
    if (told[KIND] != HALF || size < 2 || told[REFUSED] % 2 == 0) return -1;
    int error = errno;
    ssize_t done = at < 0 ? REAL(write)(fd, data, size / 2) : REAL(pwrite64)(fd, data, size / 2, at);
    errno = error;
    return done;
}

static size_t weight(const struct iovec *data, int count) {
    size_t size = 0;
    for (int at = 0; at < count; at++) size += data[at].iov_len;
    return size;
}

ssize_t write(int fd, const void *data, size_t size) {
    return refused_write(fd, -1, size) ? half(fd, data, size, -1) : REAL(write)(fd, data, size);
}
ssize_t writev(int fd, const struct iovec *data, int count) {
    return refused_write(fd, -1, weight(data, count)) ? -1 : REAL(writev)(fd, data, count);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return refused_write(fd, at, size) ? half(fd, data, size, at) : REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return refused_write(fd, at, size) ? half(fd, data, size, at)
                                       : REAL(pwrite64)(fd, data, size, at);
}
ssize_t pwritev(int fd, const struct iovec *data, int count, off_t at) {
    return refused_write(fd, at, weight(data, count)) ? -1 : REAL(pwritev)(fd, data, count, at);
}
ssize_t pwritev64(int fd, const struct iovec *data, int count, off64_t at) {
    return refused_write(fd, at, weight(data, count)) ? -1 : REAL(pwritev64)(fd, data, count, at);
}
int fsync(int fd) { return refused_sync(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return refused_sync(fd) ? -1 : REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) {
    return refused_write(fd, size, 0) ? -1 : REAL(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    return refused_write(fd, size, 0) ? -1 : REAL(ftruncate64)(fd, size);
}
int fallocate(int fd, int mode, off_t at, off_t size) {
    return refused_write(fd, at, size) ? -1 : REAL(fallocate)(fd, mode, at, size);
}
int posix_fallocate(int fd, off_t at, off_t size) {
    return refused_write(fd, at, size) ? errno : REAL(posix_fallocate)(fd, at, size);
}
int unlink(const char *path) {
    return told && told[ERROR] == EROFS && refused_name(path) ? -1 : REAL(unlink)(path);
}
int rename(const char *from, const char *to) {
    return refused_name(to) ? -1 : REAL(rename)(from, to);
}

/* A full disk has no room for a new file; one that is there is opened. */
static int creates(const char *path) {
    return (told && told[KIND] == GROWTH && !access(path, F_OK)) ? 0 : refused_name(path);
}

/* A file that is only read opens on a broken disk, too. */
#define OPENS(name)                                                    \
    int name(const char *path, int flags, ...) {                       \
        va_list more;                                                  \
        va_start(more, flags);                                         \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;      \
        va_end(more);                                                  \
        if ((flags & O_CREAT) && creates(path)) return -1;             \
        return REAL(name)(path, flags, mode);                          \
    }
OPENS(open)
OPENS(open64)
