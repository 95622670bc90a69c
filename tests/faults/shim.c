/* Stands between a builder and the C library: it announces every call that changes names or keeps data, before and
   after, and waits for leave.

   Loaded by LD_PRELOAD, asleep until faults_begin().  A line goes out for each call on the root or below it:

       before|after <tab> call <tab> path <tab> second path, where there is one

   and one byte comes back: 'g' lets the call happen, 'f' makes it fail as on a full disk.  faults_clock() moves the
   time of day. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static char root[PATH_MAX];
static int out = -1, in = -1;
static long shift = 0;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

void faults_begin(const char *path, int announce, int leave) {
    strncpy(root, path, sizeof root - 1);
    out = announce;
    in = leave;
}

void faults_clock(long seconds) { shift = seconds; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The absolute path of `path` as seen from the folder `at`, or of the open file `at` where path is NULL. */
static const char *absolute(int at, const char *path, char *buffer) {
    char link[64];
    ssize_t length = 0;
    if (path && path[0] == '/') {
        snprintf(buffer, PATH_MAX, "%s", path);
        return buffer;
    }
    if (at == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    length = readlink(link, buffer, PATH_MAX - 1);
    buffer[length < 0 ? 0 : length] = 0;
    if (path) snprintf(buffer + strlen(buffer), PATH_MAX - strlen(buffer), "/%s", path);
    return buffer;
}

static int below(const char *path) {
    return out >= 0 && strncmp(path, root, strlen(root)) == 0 && (!path[strlen(root)] || path[strlen(root)] == '/');
}

static char ask(const char *when, const char *call, const char *path, const char *second) {
    char line[2 * PATH_MAX + 64], leave = 'g';
    int saved = errno;
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", when, call, path, second ? second : "");
    if (REAL(write)(out, line, length) == length) (void)!REAL(read)(in, &leave, 1);
    errno = saved;
    return leave;
}

#define STEP(call, path, second, action)                      \
    do {                                                      \
        int result_, counts_ = below(path);                   \
        if (!counts_) return (action);                        \
        pthread_mutex_lock(&one);                             \
        if (ask("before", call, path, second) == 'f') {       \
            errno = ENOSPC;                                   \
            result_ = -1;                                     \
        } else {                                              \
            result_ = (action);                               \
            if (result_ >= 0) ask("after", call, path, second); \
        }                                                     \
        pthread_mutex_unlock(&one);                           \
        return result_;                                       \
    } while (0)

#define OPENS(name)                                                               \
    int name(const char *path, int flags, ...) {                                  \
        char full[PATH_MAX];                                                      \
        mode_t mode = 0;                                                          \
        va_list rest;                                                             \
        va_start(rest, flags);                                                    \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t);           \
        va_end(rest);                                                             \
        if (!(flags & (O_WRONLY | O_RDWR))) return REAL(name)(path, flags, mode); \
        STEP("open", absolute(AT_FDCWD, path, full), NULL, REAL(name)(path, flags, mode)); \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                \
    int name(int at, const char *path, int flags, ...) {                              \
        char full[PATH_MAX];                                                          \
        mode_t mode = 0;                                                              \
        va_list rest;                                                                 \
        va_start(rest, flags);                                                        \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t);               \
        va_end(rest);                                                                 \
        if (!(flags & (O_WRONLY | O_RDWR))) return REAL(name)(at, path, flags, mode); \
        STEP("open", absolute(at, path, full), NULL, REAL(name)(at, path, flags, mode)); \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

#define ONE_PATH(name, call, arguments, at, ...)              \
    int name arguments {                                      \
        char full[PATH_MAX];                                  \
        STEP(call, absolute(at, path, full), NULL, REAL(name)(__VA_ARGS__)); \
    }
ONE_PATH(mkdir, "mkdir", (const char *path, mode_t mode), AT_FDCWD, path, mode)
ONE_PATH(mkdirat, "mkdir", (int at, const char *path, mode_t mode), at, at, path, mode)
ONE_PATH(unlink, "unlink", (const char *path), AT_FDCWD, path)
ONE_PATH(rmdir, "rmdir", (const char *path), AT_FDCWD, path)
ONE_PATH(truncate, "truncate", (const char *path, off_t size), AT_FDCWD, path, size)

int unlinkat(int at, const char *path, int flags) {
    char full[PATH_MAX];
    STEP(flags & AT_REMOVEDIR ? "rmdir" : "unlink", absolute(at, path, full), NULL, REAL(unlinkat)(at, path, flags));
}

#define TWO_PATHS(name, call, arguments, first_at, second_at, ...)                              \
    int name arguments {                                                                        \
        char full[PATH_MAX], other[PATH_MAX];                                                   \
        STEP(call, absolute(first_at, path, full), absolute(second_at, second, other), REAL(name)(__VA_ARGS__)); \
    }
TWO_PATHS(rename, "rename", (const char *path, const char *second), AT_FDCWD, AT_FDCWD, path, second)
TWO_PATHS(renameat, "rename", (int at, const char *path, int to, const char *second), at, to, at, path, to, second)
TWO_PATHS(link, "link", (const char *path, const char *second), AT_FDCWD, AT_FDCWD, path, second)
TWO_PATHS(linkat, "link", (int at, const char *path, int to, const char *second, int flags), at, to, at, path, to,
          second, flags)

#define SYNCS(name)                                                      \
    int name(int file) {                                                 \
        char full[PATH_MAX];                                             \
        STEP("fsync", absolute(file, NULL, full), NULL, REAL(name)(file)); \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime)(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += shift;
    return result;
}
