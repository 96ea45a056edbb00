/* A box with a sick disk and a wrong clock, for one process: loaded before libc (LD_PRELOAD), it
 * answers in libc's place as the control file says (sick_box.py writes it).
 *
 * The wall clock jumps, the monotonic one never does. The disk is slow for all files, and fails
 * those below one folder. */
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
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t clock_ns; /* added to the wall clock */
    int64_t still_ns; /* no fsync returns before this moment of CLOCK_MONOTONIC */
    int32_t sync_ms;  /* every fsync takes so much longer */
    int32_t disk;     /* 0, ENOSPC or EROFS */
};

static volatile struct control *control;
static const char *below;

/* libc's own. All are looked up at the start: later a thread or a child may not ask the loader. */
static struct {
    int (*clock_gettime)(clockid_t, struct timespec *);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite64)(int, const void *, size_t, off64_t);
    int (*ftruncate64)(int, off64_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*open)(const char *, int, ...);
    int (*open64)(const char *, int, ...);
    int (*rename)(const char *, const char *);
    int (*unlink)(const char *);
    int (*statvfs64)(const char *, struct statvfs64 *);
} real;

#define FIND(name) real.name = (__typeof__(real.name))dlsym(RTLD_NEXT, #name)

static void find_all(void) {
    FIND(clock_gettime);
    FIND(write);
    FIND(pwrite64);
    FIND(ftruncate64);
    FIND(fsync);
    FIND(fdatasync);
    FIND(open);
    FIND(open64);
    FIND(rename);
    FIND(unlink);
    FIND(statvfs64);
}

/* Some constructor may come before ours. */
#define REAL(name) (real.name ? real.name : (find_all(), real.name))

__attribute__((constructor)) static void begin(void) {
    find_all();
    const char *path = getenv("SICK_BOX_CONTROL");
    below = getenv("SICK_BOX_BELOW");
    int fd = path && below ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        abort(); /* a box that is never sick must not look like one that bears it */
    void *map = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        abort();
    control = map;
}

/* ---- the wall clock ---- */

int clock_gettime(clockid_t id, struct timespec *now) {
    int rc = REAL(clock_gettime)(id, now);
    int wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (rc == 0 && wall && control && control->clock_ns) {
        int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + control->clock_ns;
        now->tv_sec = ns / 1000000000LL;
        now->tv_nsec = ns % 1000000000LL;
    }
    return rc;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out)
        *out = at.tv_sec;
    return at.tv_sec;
}

/* ---- the disk ---- */

static int is_ours(const char *path) {
    return strncmp(path, below, strlen(below)) == 0;
}

/* What is wrong with the disk, if this file lies on it; 0: nothing. */
static int sick(int fd) {
    if (!control || !control->disk)
        return 0;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return is_ours(path) ? control->disk : 0;
}

static int refused(int error) {
    errno = error;
    return error != 0;
}

ssize_t write(int fd, const void *data, size_t n) {
    return refused(sick(fd)) ? -1 : REAL(write)(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    return refused(sick(fd)) ? -1 : REAL(pwrite64)(fd, data, n, at);
}

int ftruncate64(int fd, off64_t size) {
    return refused(sick(fd) == EROFS ? EROFS : 0) ? -1 : REAL(ftruncate64)(fd, size);
}

static void wait_for_the_disk(void) {
    struct timespec until;
    REAL(clock_gettime)(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_sec * 1000000000LL + until.tv_nsec + control->sync_ms * 1000000LL;
    if (ns < control->still_ns)
        ns = control->still_ns;
    until.tv_sec = ns / 1000000000LL;
    until.tv_nsec = ns % 1000000000LL;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static int synced(int fd, int (*libcs)(int)) {
    if (control)
        wait_for_the_disk();
    return refused(sick(fd)) ? -1 : libcs(fd);
}

int fsync(int fd) {
    return synced(fd, REAL(fsync));
}

int fdatasync(int fd) {
    return synced(fd, REAL(fdatasync));
}

/* A read-only disk opens nothing for writing, and names nothing anew. */
static int is_read_only(const char *path) {
    return control && control->disk == EROFS && is_ours(path) ? EROFS : 0;
}

#define OPENED(name)                                                                              \
    int name(const char *path, int flags, ...) {                                                  \
        va_list more;                                                                             \
        va_start(more, flags);                                                                    \
        mode_t mode = va_arg(more, mode_t);                                                       \
        va_end(more);                                                                             \
        int writes = flags & (O_WRONLY | O_RDWR | O_CREAT);                                       \
        return refused(writes ? is_read_only(path) : 0) ? -1 : REAL(name)(path, flags, mode);     \
    }

OPENED(open)
OPENED(open64)

int rename(const char *from, const char *to) {
    return refused(is_read_only(to)) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path) {
    return refused(is_read_only(path)) ? -1 : REAL(unlink)(path);
}

int statvfs64(const char *path, struct statvfs64 *room) {
    int rc = REAL(statvfs64)(path, room);
    if (rc == 0 && control && control->disk == ENOSPC && is_ours(path))
        room->f_bavail = room->f_bfree = 0;
    return rc;
}
