/* A disk in memory that knows which of its changes were synced. Only forget.c asks it. */
#define _GNU_SOURCE
#include "unsynced.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t chance_state;
static size_t piece;

static void *must(void *made) {
    if (!made) abort();
    return made;
}

void die(const char *what) {
    perror(what);
    exit(1);
}

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

struct node *new_node(mode_t mode, uid_t uid, gid_t gid) {
    static ino_t last = 1;
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

void sync_node(struct node *node) {
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

struct node *look(const struct node *folder, const char *name) {
    for (size_t i = 0; i < folder->entry_count; i++)
        if (!strcmp(folder->entries[i].name, name)) return folder->entries[i].live;
    return NULL;
}

void set_name(struct node *folder, const char *name, struct node *what) {
    struct naming one = name_it(folder, name, what);
    wait_for_sync(folder, (struct change){.kind = NAMED, .names = {one}, .count = 1});
}

void move_name(struct node *from, const char *name, struct node *to, const char *new_name) {
    struct naming there = name_it(to, new_name, look(from, name)), gone = name_it(from, name, NULL);
    wait_for_sync(to, (struct change){.kind = NAMED, .names = {there, gone}, .count = 2});
}

void set_length(struct node *file, size_t size) {
    resize(&file->live, size);
    wait_for_sync(file, (struct change){.kind = CUT_OR_GROWN, .offset = size});
}

void grow(struct node *file, size_t size) {
    if (size > file->live.size) resize(&file->live, size);
    wait_for_sync(file, (struct change){.kind = GROWN, .offset = size});
}

void write_bytes(struct node *file, off_t offset, const char *data, size_t size) {
    struct change change = {.kind = WRITTEN, .offset = offset, .size = size};
    change.data = memcpy(must(malloc(size + 1)), data, size);
    wait_for_sync(file, change);
    put(&file->live, offset, data, size);
    clock_gettime(CLOCK_REALTIME, &file->stat.st_mtim);
}

void set_target(struct node *link, const char *target) {
    put(&link->safe, 0, target, strlen(target));
}

/* --- the folder before, and the one after the cut ------------------------------------------- */

void load(struct node *into, const char *path) {
    DIR *folder = opendir(path);
    if (!folder) die(path);
    for (struct dirent *found; (found = readdir(folder));) {
        char below[PATH_MAX];
        struct stat stat;
        if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, "..")) continue;
        if (snprintf(below, sizeof below, "%s/%s", path, found->d_name) >= PATH_MAX) abort();
        if (lstat(below, &stat)) die(below);
        struct node *made = new_node(stat.st_mode, stat.st_uid, stat.st_gid);
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

/* A file with two names has the same bytes under both: what chance decided, it decided. */
static void settle_bytes(struct node *file, double mercy) {
    for (struct change *change = file->waiting; change; change = change->next) {
        if (change->kind != WRITTEN) {
            if (chance() < mercy) come_true(&file->safe, change);
            continue;
        }
        for (size_t at = change->offset, end = at + change->size, stop; at < end; at = stop) {
            stop = (at / piece + 1) * piece < end ? (at / piece + 1) * piece : end;
            if (chance() < mercy)
                put(&file->safe, at, change->data + (at - change->offset), stop - at);
        }
    }
    file->waiting = NULL;
}

static void save_file(struct node *node, const char *path, double mercy) {
    settle_bytes(node, mercy);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(node->safe.data, 1, node->safe.size, file) != node->safe.size) die(path);
    if (fclose(file)) die(path);
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
void leave(struct node *root, const char *image, uint64_t seed, size_t pieces) {
    static const double mercies[] = {0.0, 0.5, 0.95};
    char beside[PATH_MAX];
    chance_state = seed;
    piece = pieces;
    /* Sometimes nothing that was not synced survives, sometimes nearly all of it. */
    double mercy = mercies[(int)(chance() * 3)];
    settle_names(root, mercy);
    if (snprintf(beside, sizeof beside, "%s.part", image) >= PATH_MAX) abort();
    save(root, beside, mercy);
    if (rename(beside, image)) die(image);
}
