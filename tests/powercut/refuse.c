/* Lets every change to the files of one folder fail as a full, read-only or broken disk does.

   Preloaded into a program. Two numbers in a small file, which another program changes at any time,
   say which error to give (0: none) and how many changes are still let through before it comes. */
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
#include <sys/uio.h>
#include <unistd.h>

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
    void *room = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (room == MAP_FAILED) abort();
    told = room;
}

/* Says whether this change fails; errno is then set. */
static int refused(const char *path) {
    if (!told || !told[0] || strncmp(path, folder, length) || path[length] != '/') return 0;
    if (__sync_fetch_and_sub(&told[1], 1) > 0) return 0;
    told[1] = 0;
    errno = told[0];
    return 1;
}

static int refused_fd(int fd) {
    char link[32], path[PATH_MAX];
    if (!told || !told[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return refused(path);
}

ssize_t write(int fd, const void *data, size_t size) {
    return refused_fd(fd) ? -1 : REAL(write)(fd, data, size);
}
ssize_t writev(int fd, const struct iovec *data, int count) {
    return refused_fd(fd) ? -1 : REAL(writev)(fd, data, count);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return refused_fd(fd) ? -1 : REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return refused_fd(fd) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
int fsync(int fd) { return refused_fd(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return refused_fd(fd) ? -1 : REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { return refused_fd(fd) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return refused_fd(fd) ? -1 : REAL(ftruncate64)(fd, size); }
int fallocate(int fd, int mode, off_t at, off_t size) {
    return refused_fd(fd) ? -1 : REAL(fallocate)(fd, mode, at, size);
}
int unlink(const char *path) {
    return told && told[0] == EROFS && refused(path) ? -1 : REAL(unlink)(path);
}
int rename(const char *from, const char *to) { return refused(to) ? -1 : REAL(rename)(from, to); }

/* A file that is only read opens on a broken disk, too. */
#define OPENS(name)                                                    \
    int name(const char *path, int flags, ...) {                       \
        va_list more;                                                  \
        va_start(more, flags);                                         \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;      \
        va_end(more);                                                  \
        if ((flags & O_CREAT) && refused(path)) return -1;             \
        return REAL(name)(path, flags, mode);                          \
    }
OPENS(open)
OPENS(open64)
