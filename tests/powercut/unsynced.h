/* What a program sees of a disk in memory, and what of it is there for certain. */
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

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
    struct bytes live, safe; /* the target of a symbolic link is in `safe` */
    struct entry *entries;   /* of a folder; never fewer, a name that is gone has no node */
    size_t entry_count;
    struct change *waiting, **last;
};

/* Each ends the program where there is no memory. */
struct node *new_node(mode_t mode, uid_t uid, gid_t gid);
struct node *look(const struct node *folder, const char *name);
void set_name(struct node *folder, const char *name, struct node *what);
void move_name(struct node *from, const char *name, struct node *to, const char *new_name);
void set_length(struct node *file, size_t size);
void grow(struct node *file, size_t size);
void write_bytes(struct node *file, off_t offset, const char *data, size_t size);
void set_target(struct node *link, const char *target);
/* Makes all that happened to a file, or to the names in a folder, certain. */
void sync_node(struct node *node);

/* Copies a folder into memory; all of it is safe. */
void load(struct node *into, const char *path);
/* Leaves what a machine would find after a power cut now; the nodes are of no use after that. */
void leave(struct node *root, const char *image, uint64_t seed, size_t piece);
/* Says what went wrong outside, and ends the program. */
void die(const char *what);
