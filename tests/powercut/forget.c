/* A file system in memory that forgets, when its power is cut, what nobody has synced.

   `forget BEFORE IMAGE ACKS SEED PIECE MOUNT OPTIONS` serves a copy of the folder BEFORE at MOUNT
   until it is unmounted or told to end (SIGTERM, or the end of who started it). What BEFORE held is
   safe; a change is safe once its file, for names its folder, was synced (fsync, fdatasync, msync,
   O_SYNC, O_DSYNC). The kernel is between the programs and us, so every way to write comes by:
   mmap, io_uring, sendfile, splice. Neither sync(2) nor sync_file_range(2) makes anything safe:
   less may be kept than by a disk, never more. Owners, rights and times are safe at once.

   Two files stand in the root, though no listing shows them. What is written to `.acks` goes to the
   file ACKS outside, which no cut harms. `.power` is told when to cut: "now", "ops N" before the
   Nth change or sync from here, "acks N" right after the Nth write to `.acks` from here; it reads
   as the number of both so far. After the cut every call fails with EIO, and IMAGE is the folder
   a machine would find: of each file the safe bytes and, by the chance of SEED, any of the waiting
   writes, torn at multiples of PIECE; of each folder the safe names and a beginning of what
   happened to the rest.

   One thread, and nothing is freed before the end but what was synced: it serves one morning. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "unsynced.h"

/* Only we change anything, so the kernel may believe what it was told for good. */
#define LONG_TIME 86400.0

static struct node *root, *acks_node, *power_node;
static const char *image;
static int acks_fd, dead;
static uint64_t ops, acks, cut_op, cut_ack, seed;
static size_t piece;

static void cut(void) {
    dead = 1;
    leave(root, image, seed, piece);
}

static struct node *at(fuse_ino_t number) {
    return number == FUSE_ROOT_ID ? root : (struct node *)(uintptr_t)number;
}

/* Says whether this call still has power, and counts it if it changes or syncs something. */
static int powered(fuse_req_t request, int counts) {
    if (!dead && counts && ++ops == cut_op) cut();
    if (dead) fuse_reply_err(request, EIO);
    return !dead;
}

static struct fuse_entry_param entry_of(struct node *node) {
    return (struct fuse_entry_param){
        .ino = node == root ? FUSE_ROOT_ID : (uintptr_t)node, .attr = node->stat,
        .attr_timeout = LONG_TIME, .entry_timeout = LONG_TIME};
}

static struct node *sized(struct node *node) {
    size_t size = S_ISLNK(node->stat.st_mode) ? node->safe.size : node->live.size;
    node->stat.st_size = size;
    node->stat.st_blocks = (size + 511) / 512;
    return node;
}

static void reply_entry(fuse_req_t request, struct node *node) {
    struct fuse_entry_param found = entry_of(sized(node));
    fuse_reply_entry(request, &found);
}

static struct node *look_in(struct node *folder, const char *name) {
    if (folder == root && !strcmp(name, ".acks")) return acks_node;
    if (folder == root && !strcmp(name, ".power")) return power_node;
    return look(folder, name);
}

static int is_told(struct node *node) { return node == acks_node || node == power_node; }

static void on_init(void *data, struct fuse_conn_info *connection) {
    (void)data;
    /* Nobody else changes a file, and what is mapped must not be thrown away. */
    connection->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct node *found = look_in(at(parent), name);
    if (!powered(request, 0)) return;
    if (found) reply_entry(request, found);
    else fuse_reply_err(request, ENOENT);
}

static void on_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    (void)file;
    if (powered(request, 0)) fuse_reply_attr(request, &sized(at(number))->stat, LONG_TIME);
}

static void on_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int which,
                       struct fuse_file_info *file) {
    struct node *node = at(number);
    (void)file;
    if (!powered(request, which & FUSE_SET_ATTR_SIZE && !is_told(node))) return;
    if (which & FUSE_SET_ATTR_SIZE && !is_told(node)) set_length(node, wanted->st_size);
    if (which & FUSE_SET_ATTR_MODE)
        node->stat.st_mode = (node->stat.st_mode & S_IFMT) | (wanted->st_mode & 07777);
    if (which & FUSE_SET_ATTR_UID) node->stat.st_uid = wanted->st_uid;
    if (which & FUSE_SET_ATTR_GID) node->stat.st_gid = wanted->st_gid;
    if (which & FUSE_SET_ATTR_ATIME) node->stat.st_atim = wanted->st_atim;
    if (which & FUSE_SET_ATTR_MTIME) node->stat.st_mtim = wanted->st_mtim;
    if (which & FUSE_SET_ATTR_MTIME_NOW) clock_gettime(CLOCK_REALTIME, &node->stat.st_mtim);
    fuse_reply_attr(request, &sized(node)->stat, LONG_TIME);
}

static void on_readlink(fuse_req_t request, fuse_ino_t number) {
    char target[PATH_MAX];
    if (!powered(request, 0)) return;
    snprintf(target, sizeof target, "%.*s", (int)at(number)->safe.size, at(number)->safe.data);
    fuse_reply_readlink(request, target);
}

/* Makes something new under a name that the kernel knows to be free. */
static struct node *made(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    const struct fuse_ctx *who = fuse_req_ctx(request);
    struct node *made = new_node(mode, who->uid, who->gid);
    set_name(at(parent), name, made);
    return made;
}

static void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    if (powered(request, 1)) reply_entry(request, made(request, parent, name, S_IFDIR | mode));
}

static void on_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
                       const char *name) {
    if (!powered(request, 1)) return;
    struct node *link = made(request, parent, name, S_IFLNK | 0777);
    set_target(link, target);
    reply_entry(request, link);
}

static void on_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *file) {
    if (!powered(request, 1)) return;
    struct fuse_entry_param found = entry_of(made(request, parent, name, S_IFREG | mode));
    file->keep_cache = 1;
    fuse_reply_create(request, &found, file);
}

static void on_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    if (!powered(request, 1)) return;
    look_in(at(parent), name)->stat.st_nlink--;
    set_name(at(parent), name, NULL);
    fuse_reply_err(request, 0);
}

static void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    if (!powered(request, 1)) return;
    struct node *folder = look_in(at(parent), name);
    for (size_t i = 0; i < folder->entry_count; i++)
        if (folder->entries[i].live) {
            fuse_reply_err(request, ENOTEMPTY);
            return;
        }
    set_name(at(parent), name, NULL);
    fuse_reply_err(request, 0);
}

static void on_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char *name) {
    if (!powered(request, 1)) return;
    at(number)->stat.st_nlink++;
    set_name(at(parent), name, at(number));
    reply_entry(request, at(number));
}

static void on_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name, unsigned flags) {
    struct node *from = at(parent), *to = at(new_parent), *old = look_in(to, new_name);
    int refused = flags & ~RENAME_NOREPLACE ? EINVAL : flags && old ? EEXIST : 0;
    for (size_t i = 0; !refused && old && i < old->entry_count; i++)
        if (old->entries[i].live) refused = ENOTEMPTY;
    if (refused) {
        fuse_reply_err(request, refused);
        return;
    }
    if (!powered(request, 1)) return;
    if (old) old->stat.st_nlink--;
    move_name(from, name, to, new_name);
    fuse_reply_err(request, 0);
}

static void on_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    struct node *node = at(number);
    int empties = file->flags & O_TRUNC && !is_told(node);
    if (!powered(request, empties)) return;
    if (empties) set_length(node, 0);
    file->direct_io = is_told(node);
    file->keep_cache = !is_told(node) && !empties;
    fuse_reply_open(request, file);
}

static void on_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *file) {
    struct node *node = at(number);
    (void)file;
    if (!powered(request, 0)) return;
    if (node == power_node) {
        char said[80];
        size_t length = snprintf(said, sizeof said, "%lu ops %lu acks\n", ops, acks);
        fuse_reply_buf(request, said, offset ? 0 : length);
        return;
    }
    size_t left = (size_t)offset < node->live.size ? node->live.size - offset : 0;
    fuse_reply_buf(request, left ? node->live.data + offset : NULL, left < size ? left : size);
}

static void told(fuse_req_t request, struct node *node, const char *data, size_t size) {
    char words[40] = "";
    unsigned long number = 0;
    if (!powered(request, 0)) return;
    if (node == acks_node) {
        if (write(acks_fd, data, size) != (ssize_t)size) die("acks");
        if (++acks == cut_ack) cut();
    } else {
        memcpy(words, data, size < sizeof words ? size : sizeof words - 1);
        if (!strncmp(words, "now", 3)) cut();
        else if (sscanf(words, "ops %lu", &number) == 1) cut_op = ops + number;
        else if (sscanf(words, "acks %lu", &number) == 1) cut_ack = acks + number;
        else {
            fuse_reply_err(request, EINVAL);
            return;
        }
    }
    fuse_reply_write(request, size);
}

static void on_write(fuse_req_t request, fuse_ino_t number, const char *data, size_t size,
                     off_t offset, struct fuse_file_info *file) {
    struct node *node = at(number);
    if (is_told(node)) {
        told(request, node, data, size);
        return;
    }
    if (!powered(request, 1)) return;
    write_bytes(node, offset, data, size);
    /* What a mapping left behind is written whenever the kernel likes, whoever opened the file. */
    if (!file->writepage && file->flags & O_DSYNC) sync_node(node);
    fuse_reply_write(request, size);
}

static void on_fallocate(fuse_req_t request, fuse_ino_t number, int mode, off_t offset,
                         off_t length, struct fuse_file_info *file) {
    (void)file;
    if (mode) {
        fuse_reply_err(request, EOPNOTSUPP);
        return;
    }
    if (!powered(request, 1)) return;
    grow(at(number), offset + length);
    fuse_reply_err(request, 0);
}

static void on_fsync(fuse_req_t request, fuse_ino_t number, int data_only,
                     struct fuse_file_info *file) {
    (void)data_only;
    (void)file;
    if (!powered(request, 1)) return;
    sync_node(at(number));
    fuse_reply_err(request, 0);
}

static void on_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                       struct fuse_file_info *file) {
    struct node *folder = at(number);
    size_t used = 0;
    (void)file;
    if (!powered(request, 0)) return;
    char *buffer = malloc(size);
    if (!buffer) die("readdir");
    for (size_t i = offset; i < folder->entry_count; i++) {
        struct entry *one = &folder->entries[i];
        if (!one->live) continue;
        size_t more = fuse_add_direntry(request, buffer + used, size - used, one->name,
                                        &one->live->stat, i + 1);
        if (more > size - used) break;
        used += more;
    }
    fuse_reply_buf(request, buffer, used);
    free(buffer);
}

static const struct fuse_lowlevel_ops OPERATIONS = {
    .init = on_init, .lookup = on_lookup, .getattr = on_getattr, .setattr = on_setattr,
    .readlink = on_readlink, .mkdir = on_mkdir, .symlink = on_symlink, .create = on_create,
    .unlink = on_unlink, .rmdir = on_rmdir, .link = on_link, .rename = on_rename, .open = on_open,
    .read = on_read, .write = on_write, .fallocate = on_fallocate, .fsync = on_fsync,
    .fsyncdir = on_fsync, .readdir = on_readdir};

int main(int count, char **words) {
    if (count != 8) {
        fprintf(stderr, "forget BEFORE IMAGE ACKS SEED PIECE MOUNT OPTIONS\n");
        return 2;
    }
    const char *place = words[6];
    struct stat stat;
    image = words[2];
    seed = strtoull(words[4], NULL, 10);
    piece = strtoull(words[5], NULL, 10);
    acks_fd = open(words[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!piece || acks_fd < 0 || lstat(words[1], &stat)) die(words[1]);
    root = new_node(stat.st_mode, stat.st_uid, stat.st_gid);
    acks_node = new_node(S_IFREG | 0666, stat.st_uid, stat.st_gid);
    power_node = new_node(S_IFREG | 0666, stat.st_uid, stat.st_gid);
    load(root, words[1]);

    /* Whoever started us takes the mount along, however it ends. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    char *arguments[] = {words[0], "-o", words[7], NULL};
    struct fuse_args given = FUSE_ARGS_INIT(3, arguments);
    struct fuse_session *session =
        fuse_session_new(&given, &OPERATIONS, sizeof OPERATIONS, NULL);
    if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, place))
        return 1;
    puts("mounted");
    fflush(stdout);
    int ended = fuse_session_loop(session);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return ended < 0;
}
