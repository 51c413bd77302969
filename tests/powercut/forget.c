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
#define FUSE_USE_VERSION 35
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Only we change anything, so the kernel may believe what it was told for good. */
#define LONG_TIME 86400.0

struct bytes { char *data; size_t size, room; };

struct node;

/* A name in a folder: what a program sees under it, and what is there for certain. */
struct entry { char *name; struct node *live, *safe; };

/* What stands under a name from some moment on; NULL is nothing. */
struct naming { struct node *folder, *what; size_t entry; };

/* A change that nobody has synced. Of a file: bytes written, or another length. Of a folder: one
   name, or the two of a rename, which come true together. */
struct change {
    struct change *next;
    off_t offset;
    size_t size;
    char *data;
    enum { WRITTEN, CUT_OR_GROWN, GROWN, NAMED } kind;
    struct naming names[2];
    int count;
};

struct node {
    struct stat stat;
    struct bytes live, safe; /* a symbolic link's target is in `safe` */
    struct entry *entries;
    size_t entry_count;
    struct change *waiting, **last;
};

static struct node *root, *acks_node, *power_node;
static const char *image;
static int acks_fd, dead;
static uint64_t ops, acks, cut_op, cut_ack, chance_state;
static size_t piece;

static void *must(void *made) {
    if (!made) abort();
    return made;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* --- what waits ----------------------------------------------------------------------------- */

static void resize(struct bytes *bytes, size_t size) {
    if (size > bytes->room) {
        bytes->room = size + size / 2 + 4096;
        bytes->data = must(realloc(bytes->data, bytes->room));
    }
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void put(struct bytes *bytes, off_t offset, const char *data, size_t size) {
    if (offset + size > bytes->size) resize(bytes, offset + size);
    memcpy(bytes->data + offset, data, size);
}

static struct node *node(mode_t mode, uid_t uid, gid_t gid) {
    static ino_t last = FUSE_ROOT_ID;
    struct node *made = must(calloc(1, sizeof *made));
    made->last = &made->waiting;
    made->stat = (struct stat){.st_ino = last++, .st_mode = mode, .st_nlink = 1, .st_uid = uid,
                               .st_gid = gid, .st_blksize = 4096};
    clock_gettime(CLOCK_REALTIME, &made->stat.st_mtim);
    made->stat.st_atim = made->stat.st_ctim = made->stat.st_mtim;
    return made;
}

static struct change *wait_for_sync(struct node *node, struct change change) {
    struct change *made = must(malloc(sizeof *made));
    *made = change;
    made->next = NULL;
    *node->last = made;
    node->last = &made->next;
    return made;
}

static void come_true(struct bytes *bytes, const struct change *change) {
    if (change->kind == WRITTEN) put(bytes, change->offset, change->data, change->size);
    if (change->kind == CUT_OR_GROWN) resize(bytes, change->offset);
    if (change->kind == GROWN && (size_t)change->offset > bytes->size)
        resize(bytes, change->offset);
    for (int i = 0; change->kind == NAMED && i < change->count; i++)
        change->names[i].folder->entries[change->names[i].entry].safe = change->names[i].what;
}

static void sync_node(struct node *node) {
    for (struct change *change = node->waiting, *next; change; change = next) {
        come_true(&node->safe, change);
        next = change->next;
        free(change->data);
        free(change);
    }
    node->waiting = NULL;
    node->last = &node->waiting;
}

/* Returns the place of a name in a folder, made if it never was there. */
static size_t entry(struct node *folder, const char *name) {
    for (size_t i = 0; i < folder->entry_count; i++)
        if (!strcmp(folder->entries[i].name, name)) return i;
    size_t count = ++folder->entry_count;
    folder->entries = must(realloc(folder->entries, count * sizeof *folder->entries));
    folder->entries[count - 1] = (struct entry){must(strdup(name)), NULL, NULL};
    return count - 1;
}

static struct naming name_it(struct node *folder, const char *name, struct node *what) {
    size_t at = entry(folder, name);
    folder->entries[at].live = what;
    clock_gettime(CLOCK_REALTIME, &folder->stat.st_mtim);
    return (struct naming){folder, what, at};
}

static void named(struct node *folder, const char *name, struct node *what) {
    struct naming one = name_it(folder, name, what);
    wait_for_sync(folder, (struct change){.kind = NAMED, .names = {one}, .count = 1});
}

/* --- the folder before, and the one after the cut ------------------------------------------- */

static void load(struct node *into, const char *path) {
    DIR *folder = opendir(path);
    if (!folder) die(path);
    for (struct dirent *found; (found = readdir(folder));) {
        char below[PATH_MAX];
        struct stat stat;
        if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, "..")) continue;
        if (snprintf(below, sizeof below, "%s/%s", path, found->d_name) >= PATH_MAX) abort();
        if (lstat(below, &stat)) die(below);
        struct node *made = node(stat.st_mode, stat.st_uid, stat.st_gid);
        size_t at = entry(into, found->d_name);
        into->entries[at].live = into->entries[at].safe = made;
        if (S_ISDIR(stat.st_mode)) {
            load(made, below);
            continue;
        }
        resize(&made->safe, stat.st_size);
        if (S_ISLNK(stat.st_mode)) {
            if (readlink(below, made->safe.data, stat.st_size) != stat.st_size) die(below);
            continue;
        }
        FILE *file = fopen(below, "r");
        if (!file || fread(made->safe.data, 1, stat.st_size, file) != (size_t)stat.st_size)
            die(below);
        fclose(file);
        put(&made->live, 0, made->safe.data, made->safe.size);
    }
    closedir(folder);
}

/* Returns a number from 0 below 1, the same ones for the same seed (splitmix64). */
static double chance(void) {
    uint64_t z = chance_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void save_file(struct node *node, const char *path, double mercy) {
    struct bytes held = {0};
    put(&held, 0, node->safe.data, node->safe.size);
    for (struct change *change = node->waiting; change; change = change->next) {
        if (change->kind != WRITTEN) {
            if (chance() < mercy) come_true(&held, change);
            continue;
        }
        for (size_t at = change->offset, end = at + change->size, stop; at < end; at = stop) {
            stop = (at / piece + 1) * piece < end ? (at / piece + 1) * piece : end;
            if (chance() < mercy) put(&held, at, change->data + (at - change->offset), stop - at);
        }
    }
    FILE *file = fopen(path, "w");
    if (!file || fwrite(held.data, 1, held.size, file) != held.size || fclose(file)) die(path);
    free(held.data);
}

static void save(struct node *node, const char *path, double mercy) {
    const struct stat *stat = &node->stat;
    if (S_ISLNK(stat->st_mode)) {
        char target[PATH_MAX];
        snprintf(target, sizeof target, "%.*s", (int)node->safe.size, node->safe.data);
        if (symlink(target, path)) die(path);
        return;
    }
    if (!S_ISDIR(stat->st_mode)) save_file(node, path, mercy);
    else if (mkdir(path, 0700)) die(path);
    for (size_t i = 0; i < node->entry_count; i++) {
        char below[PATH_MAX];
        if (!node->entries[i].safe) continue;
        if (snprintf(below, sizeof below, "%s/%s", path, node->entries[i].name) >= PATH_MAX)
            abort();
        save(node->entries[i].safe, below, mercy);
    }
    if (chmod(path, stat->st_mode & 07777) || lchown(path, stat->st_uid, stat->st_gid)) die(path);
}

/* Lets a beginning of what waits in a folder and in those below it come true. A folder
   of which the name did not last takes all below it along. */
static void settle_names(struct node *folder, double mercy) {
    size_t count = 0, lasting;
    for (struct change *change = folder->waiting; change; change = change->next) count++;
    lasting = mercy > 0 ? chance() * (count + 1) : 0;
    for (struct change *change = folder->waiting; lasting--; change = change->next)
        come_true(NULL, change);
    for (size_t i = 0; i < folder->entry_count; i++) {
        struct node *below = folder->entries[i].safe;
        if (below && S_ISDIR(below->stat.st_mode)) settle_names(below, mercy);
    }
}

/* The image gets its name last: who waits for it finds it whole. */
static void cut(void) {
    static const double mercies[] = {0.0, 0.5, 0.95};
    char beside[PATH_MAX];
    /* Sometimes nothing that was not synced survives, sometimes nearly all of it. */
    double mercy = mercies[(int)(chance() * 3)];
    dead = 1;
    settle_names(root, mercy);
    if (snprintf(beside, sizeof beside, "%s.part", image) >= PATH_MAX) abort();
    save(root, beside, mercy);
    if (rename(beside, image)) die(image);
}

/* --- what the kernel asks ------------------------------------------------------------------- */

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

static struct node *look(struct node *folder, const char *name) {
    if (folder == root && !strcmp(name, ".acks")) return acks_node;
    if (folder == root && !strcmp(name, ".power")) return power_node;
    for (size_t i = 0; i < folder->entry_count; i++)
        if (!strcmp(folder->entries[i].name, name)) return folder->entries[i].live;
    return NULL;
}

static int is_told(struct node *node) { return node == acks_node || node == power_node; }

static void on_init(void *data, struct fuse_conn_info *connection) {
    (void)data;
    /* Nobody else changes a file, and what is mapped must not be thrown away. */
    connection->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct node *found = look(at(parent), name);
    if (!powered(request, 0)) return;
    if (found) reply_entry(request, found);
    else fuse_reply_err(request, ENOENT);
}

static void on_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    (void)file;
    if (powered(request, 0)) fuse_reply_attr(request, &sized(at(number))->stat, LONG_TIME);
}

static void set_length(struct node *node, size_t size) {
    resize(&node->live, size);
    wait_for_sync(node, (struct change){.kind = CUT_OR_GROWN, .offset = size});
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
    struct node *made = node(mode, who->uid, who->gid);
    named(at(parent), name, made);
    return made;
}

static void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    if (powered(request, 1)) reply_entry(request, made(request, parent, name, S_IFDIR | mode));
}

static void on_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
                       const char *name) {
    if (!powered(request, 1)) return;
    struct node *link = made(request, parent, name, S_IFLNK | 0777);
    put(&link->safe, 0, target, strlen(target));
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
    look(at(parent), name)->stat.st_nlink--;
    named(at(parent), name, NULL);
    fuse_reply_err(request, 0);
}

static void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    if (!powered(request, 1)) return;
    struct node *folder = look(at(parent), name);
    for (size_t i = 0; i < folder->entry_count; i++)
        if (folder->entries[i].live) {
            fuse_reply_err(request, ENOTEMPTY);
            return;
        }
    named(at(parent), name, NULL);
    fuse_reply_err(request, 0);
}

static void on_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char *name) {
    if (!powered(request, 1)) return;
    at(number)->stat.st_nlink++;
    named(at(parent), name, at(number));
    reply_entry(request, at(number));
}

static void on_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name, unsigned flags) {
    struct node *from = at(parent), *to = at(new_parent), *moved = look(from, name);
    struct node *old = look(to, new_name);
    int refused = flags & ~RENAME_NOREPLACE ? EINVAL : flags && old ? EEXIST : 0;
    for (size_t i = 0; !refused && old && i < old->entry_count; i++)
        if (old->entries[i].live) refused = ENOTEMPTY;
    if (refused) {
        fuse_reply_err(request, refused);
        return;
    }
    if (!powered(request, 1)) return;
    if (old) old->stat.st_nlink--;
    struct naming there = name_it(to, new_name, moved), gone = name_it(from, name, NULL);
    wait_for_sync(to, (struct change){.kind = NAMED, .names = {there, gone}, .count = 2});
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
    char said[80];
    (void)file;
    if (node == power_node) {
        size_t length = snprintf(said, sizeof said, "%lu ops %lu acks\n", ops, acks);
        fuse_reply_buf(request, offset ? NULL : said, offset ? 0 : length);
        return;
    }
    if (!powered(request, 0)) return;
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
    put(&node->live, offset, data, size);
    clock_gettime(CLOCK_REALTIME, &node->stat.st_mtim);
    struct change change = {.kind = WRITTEN, .offset = offset, .size = size};
    change.data = memcpy(must(malloc(size + 1)), data, size);
    wait_for_sync(node, change);
    /* What a mapping left behind is written whenever the kernel likes, whoever opened the file. */
    if (!file->writepage && file->flags & O_DSYNC) sync_node(node);
    fuse_reply_write(request, size);
}

static void on_fallocate(fuse_req_t request, fuse_ino_t number, int mode, off_t offset,
                         off_t length, struct fuse_file_info *file) {
    struct node *node = at(number);
    (void)file;
    if (mode) {
        fuse_reply_err(request, EOPNOTSUPP);
        return;
    }
    if (!powered(request, 1)) return;
    if ((size_t)(offset + length) > node->live.size) resize(&node->live, offset + length);
    wait_for_sync(node, (struct change){.kind = GROWN, .offset = offset + length});
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
    char *buffer = must(malloc(size));
    size_t used = 0;
    (void)file;
    if (!powered(request, 0)) {
        free(buffer);
        return;
    }
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
    chance_state = strtoull(words[4], NULL, 10);
    piece = strtoull(words[5], NULL, 10);
    acks_fd = open(words[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!piece || acks_fd < 0 || lstat(words[1], &stat)) die(words[1]);
    root = node(stat.st_mode, stat.st_uid, stat.st_gid);
    acks_node = node(S_IFREG | 0666, stat.st_uid, stat.st_gid);
    power_node = node(S_IFREG | 0666, stat.st_uid, stat.st_gid);
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
