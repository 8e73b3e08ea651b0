/* SPDX-License-Identifier: Apache-2.0
 * Records what a process does to the files below a folder, in order, so that a test can make the
 * disk as a power cut would leave it: LD_PRELOAD, HV_RECORD_ROOT (a real path), HV_RECORD_LOG.
 *
 * A record is a fixed head, then `first` bytes (data or a path), then `second` bytes (a path). It is
 * written after the call it tells of, in one append, so an acknowledgement seen by a client comes
 * after the records of the syncs it waited for. Kinds: see disk.py.
 */
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

#define HANDLES 65536
#define NEXT(name) ((__typeof__(&name))next(#name))

struct head {
  uint32_t magic;
  uint32_t kind;
  uint64_t inode;
  uint64_t offset;
  uint64_t first;
  uint64_t second;
};

enum { OPENED = 1, WROTE, SIZED, SYNCED, MOVED, REMOVED, MADE, LINKED };

static char root[PATH_MAX];
static size_t root_length;
static int out = -1;
static unsigned char known[HANDLES]; /* 0: not looked at, 1: not ours, 2: below the root */

static void *next(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("HV_RECORD_ROOT"), *log = getenv("HV_RECORD_LOG");
  if (!folder || !log) return;
  snprintf(root, sizeof root, "%s", folder);
  root_length = strlen(root);
  int low = NEXT(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (low < 0) abort();
  out = fcntl(low, F_DUPFD_CLOEXEC, 900);
  if (out < 0) out = low; else NEXT(close)(low);
}

static int below(const char *path) {
  return root_length && !strncmp(path, root, root_length) &&
         (path[root_length] == '/' || !path[root_length]);
}

static void tell(uint32_t kind, uint64_t inode, uint64_t offset, const struct iovec *parts, int count,
                 const char *second) {
  struct iovec all[1026];
  struct head head = {0x31524548, kind, inode, offset, 0, second ? strlen(second) : 0};
  for (int i = 0; i < count; i++) head.first += (all[i + 1] = parts[i]).iov_len;
  all[0] = (struct iovec){&head, sizeof head};
  all[count + 1] = (struct iovec){(void *)second, head.second};
  if (NEXT(writev)(out, all, count + 2) < 0) abort();
}

static void tell_path(uint32_t kind, uint64_t inode, uint64_t offset, const char *path, const char *second) {
  struct iovec part = {(void *)path, strlen(path)};
  tell(kind, inode, offset, &part, 1, second);
}

static ssize_t path_of(int handle, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length >= 0) path[length] = 0;
  return length;
}

/* The absolute path of a name beside a folder handle, its folder resolved, itself not followed. */
static int absolute(int folder, const char *name, char *path) {
  char joined[PATH_MAX * 2], base[PATH_MAX];
  if (name[0] == '/') snprintf(joined, sizeof joined, "%s", name);
  else {
    if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
    else if (path_of(folder, base) < 0) return 0;
    snprintf(joined, sizeof joined, "%s/%s", base, name);
  }
  size_t end = strlen(joined);
  while (end > 1 && joined[end - 1] == '/') joined[--end] = 0;
  char *slash = strrchr(joined, '/');
  *slash = 0;
  if (!realpath(slash == joined ? "/" : joined, base)) return 0;
  return snprintf(path, PATH_MAX, "%s/%s", base, slash + 1) > 0 && below(path);
}

static int ours(int handle, struct stat *about) {
  if (out < 0 || handle == out || handle < 0 || handle >= HANDLES || known[handle] == 1) return 0;
  int before = errno;
  if (!known[handle]) {
    char path[PATH_MAX];
    int good = !fstat(handle, about) && (S_ISREG(about->st_mode) || S_ISDIR(about->st_mode)) &&
               path_of(handle, path) > 0 && below(path);
    known[handle] = good ? 2 : 1;
    errno = before;
    return good;
  }
  int good = !fstat(handle, about);
  errno = before;
  return good;
}

static int opened(int handle, int flags) {
  if (handle < 0) return handle;
  int before = errno;
  if (handle < HANDLES) known[handle] = 0;
  struct stat about;
  char path[PATH_MAX];
  if ((flags & (O_CREAT | O_TRUNC)) && ours(handle, &about) && S_ISREG(about.st_mode) && path_of(handle, path) > 0)
    tell_path(OPENED, about.st_ino, (flags & O_TRUNC) != 0, path, NULL);
  errno = before;
  return handle;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE(flags) return opened(NEXT(open)(path, flags, mode), flags); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(NEXT(open64)(path, flags, mode), flags); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return opened(NEXT(openat)(at, path, flags, mode), flags); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return opened(NEXT(openat64)(at, path, flags, mode), flags); }

int close(int handle) {
  if (handle == out && out >= 0) return 0; /* who closes everything must not end the recording */
  if (handle >= 0 && handle < HANDLES) known[handle] = 0;
  return NEXT(close)(handle);
}

static ssize_t wrote(int handle, ssize_t count, off_t at, const struct iovec *parts, int number) {
  struct stat about;
  if (count <= 0 || !ours(handle, &about)) return count;
  int before = errno;
  if (at < 0) at = lseek(handle, 0, SEEK_CUR) - count;
  struct iovec done[1024];
  size_t left = (size_t)count;
  int n = 0;
  for (; n < number && left; n++) {
    done[n] = parts[n];
    if (done[n].iov_len > left) done[n].iov_len = left;
    left -= done[n].iov_len;
  }
  tell(WROTE, about.st_ino, (uint64_t)at, done, n, NULL);
  errno = before;
  return count;
}

ssize_t write(int handle, const void *data, size_t size) {
  struct iovec part = {(void *)data, size};
  return wrote(handle, NEXT(write)(handle, data, size), -1, &part, 1);
}
ssize_t pwrite(int handle, const void *data, size_t size, off_t at) {
  struct iovec part = {(void *)data, size};
  return wrote(handle, NEXT(pwrite)(handle, data, size, at), at, &part, 1);
}
ssize_t pwrite64(int handle, const void *data, size_t size, off_t at) {
  struct iovec part = {(void *)data, size};
  return wrote(handle, NEXT(pwrite64)(handle, data, size, at), at, &part, 1);
}
ssize_t writev(int handle, const struct iovec *parts, int count) {
  return wrote(handle, NEXT(writev)(handle, parts, count), -1, parts, count);
}
ssize_t pwritev(int handle, const struct iovec *parts, int count, off_t at) {
  return wrote(handle, NEXT(pwritev)(handle, parts, count, at), at, parts, count);
}
ssize_t pwritev64(int handle, const struct iovec *parts, int count, off_t at) {
  return wrote(handle, NEXT(pwritev64)(handle, parts, count, at), at, parts, count);
}
ssize_t pwritev2(int handle, const struct iovec *parts, int count, off_t at, int flags) {
  return wrote(handle, NEXT(pwritev2)(handle, parts, count, at, flags), at, parts, count);
}
ssize_t pwritev64v2(int handle, const struct iovec *parts, int count, off_t at, int flags) {
  return wrote(handle, NEXT(pwritev64v2)(handle, parts, count, at, flags), at, parts, count);
}

/* Copies inside the kernel are not seen: callers fall back to read and write. */
ssize_t sendfile(int to, int from, off_t *at, size_t size) {
  struct stat about;
  if (!ours(to, &about)) return NEXT(sendfile)(to, from, at, size);
  errno = EINVAL;
  return -1;
}
ssize_t sendfile64(int to, int from, off_t *at, size_t size) { return sendfile(to, from, at, size); }
ssize_t copy_file_range(int from, off_t *a, int to, off_t *b, size_t size, unsigned flags) {
  struct stat about;
  if (!ours(to, &about)) return NEXT(copy_file_range)(from, a, to, b, size, flags);
  errno = ENOSYS;
  return -1;
}

static int sized(int handle, int result, off_t size) {
  struct stat about;
  if (!result && ours(handle, &about)) tell(SIZED, about.st_ino, (uint64_t)size, NULL, 0, NULL);
  return result;
}
int ftruncate(int handle, off_t size) { return sized(handle, NEXT(ftruncate)(handle, size), size); }
int ftruncate64(int handle, off_t size) { return sized(handle, NEXT(ftruncate64)(handle, size), size); }
static int grown(int handle, int result) {
  struct stat about;
  if (!result && ours(handle, &about)) tell(SIZED, about.st_ino, (uint64_t)about.st_size, NULL, 0, NULL);
  return result;
}
int posix_fallocate(int handle, off_t at, off_t size) { return grown(handle, NEXT(posix_fallocate)(handle, at, size)); }
int posix_fallocate64(int handle, off_t at, off_t size) { return grown(handle, NEXT(posix_fallocate64)(handle, at, size)); }

static int synced(int handle, int result) {
  struct stat about;
  char path[PATH_MAX];
  int before = errno;
  if (!result && ours(handle, &about) && path_of(handle, path) > 0)
    tell_path(SYNCED, about.st_ino, 0, path, NULL);
  errno = before;
  return result;
}
int fsync(int handle) { return synced(handle, NEXT(fsync)(handle)); }
int fdatasync(int handle) { return synced(handle, NEXT(fdatasync)(handle)); }

static int moved(int result, int kind, int a, const char *from, int b, const char *to) {
  char first[PATH_MAX], second[PATH_MAX];
  int before = errno;
  if (!result && out >= 0) {
    int in = absolute(b, to, second), was = absolute(a, from, first);
    if (in || was) tell_path(kind, 0, 0, first, second);
  }
  errno = before;
  return result;
}
int rename(const char *from, const char *to) { return moved(NEXT(rename)(from, to), MOVED, AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int a, const char *from, int b, const char *to) { return moved(NEXT(renameat)(a, from, b, to), MOVED, a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return moved(NEXT(renameat2)(a, from, b, to, flags), MOVED, a, from, b, to); }
int link(const char *from, const char *to) { return moved(NEXT(link)(from, to), LINKED, AT_FDCWD, from, AT_FDCWD, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return moved(NEXT(linkat)(a, from, b, to, flags), LINKED, a, from, b, to); }

static int named(int result, int kind, int at, const char *name) {
  char path[PATH_MAX];
  int before = errno;
  if (!result && out >= 0 && absolute(at, name, path)) tell_path(kind, 0, 0, path, NULL);
  errno = before;
  return result;
}
int unlink(const char *name) { return named(NEXT(unlink)(name), REMOVED, AT_FDCWD, name); }
int unlinkat(int at, const char *name, int flags) { return named(NEXT(unlinkat)(at, name, flags), REMOVED, at, name); }
int rmdir(const char *name) { return named(NEXT(rmdir)(name), REMOVED, AT_FDCWD, name); }
int mkdir(const char *name, mode_t mode) { return named(NEXT(mkdir)(name, mode), MADE, AT_FDCWD, name); }
int mkdirat(int at, const char *name, mode_t mode) { return named(NEXT(mkdirat)(at, name, mode), MADE, at, name); }
