// A file system layer for tests, preloaded into the process: it writes a journal of everything done under one
// directory and not yet synced, so that after a SIGKILL the files can be put into a state that a loss of power might
// have left (power_loss/__init__.py does that). On command it also makes writes and syncs fail.
//
// Environment: POWER_LOSS_DIRECTORY  files under it are watched
//              POWER_LOSS_JOURNAL    where the journal goes; a folder of the same name plus ".kept" holds what is unlinked
//              POWER_LOSS_ERRORS     a file of three 32-bit numbers: errno for writes, for syncs, for creating files; and a
//                                    fourth: seconds, signed, that the wall clock is ahead
//
// The journal is written before the deed (a deed undone that was never done changes nothing), except that a sync is
// entered after it: what was written before it *began* is safe, nothing else.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { kWrite = 1, kSize, kSync, kCreate, kRename, kUnlink, kDirectorySync, kMakeDirectory, kRemoveDirectory };
enum { kFilesMax = 65536, kAlignment = 4096 };

struct Record {  // 56 bytes, then payload_bytes of payload
  uint32_t kind;
  uint32_t payload_bytes;
  uint64_t sequence;
  uint64_t inode;
  uint64_t offset;  // kSync, kDirectorySync: first sequence number that is not safe
  uint64_t length;
  uint64_t old_size;
  uint64_t kept;  // number of the hard link in ".kept", 0: none
};

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static char g_directory[PATH_MAX];
static size_t g_directory_length;
static char g_kept[PATH_MAX];
static int g_journal = -1;
static uint64_t g_sequence;
static uint64_t g_kept_count;
static volatile const uint32_t* g_errors;
static uint64_t g_inode_of[kFilesMax];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void initialise(void) {
  const char* directory = getenv("POWER_LOSS_DIRECTORY");
  const char* journal = getenv("POWER_LOSS_JOURNAL");
  const char* errors = getenv("POWER_LOSS_ERRORS");
  if (directory == NULL || journal == NULL) return;
  g_directory_length = (size_t)snprintf(g_directory, sizeof g_directory, "%s", directory);
  snprintf(g_kept, sizeof g_kept, "%s.kept", journal);
  REAL(mkdir)(g_kept, 0700);
  g_journal = REAL(open)(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (errors != NULL) {
    const int fd = REAL(open)(errors, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      void* mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
      if (mapped != MAP_FAILED) g_errors = mapped;
      close(fd);
    }
  }
}

// Not an error number: the operation does not come back before it is another one.
static const uint32_t kHangs = 1 << 16;

static int fails(int which) {
  if (g_errors == NULL) return 0;
  while (*(volatile uint32_t*)&g_errors[which] == kHangs) usleep(10 * 1000);
  if (g_errors[which] == 0) return 0;
  errno = (int)g_errors[which];
  return 1;
}

static int is_watched_path(const char* path) {
  pthread_once(&g_once, initialise);
  return g_journal >= 0 && strncmp(path, g_directory, g_directory_length) == 0 &&
         (path[g_directory_length] == '/' || path[g_directory_length] == '\0');
}

// The inode of a descriptor that was opened for writing under the directory, else 0.
static uint64_t watched_inode(int fd, struct stat* status) {
  pthread_once(&g_once, initialise);
  if (g_journal < 0 || fd < 0 || fd >= kFilesMax || g_inode_of[fd] == 0) return 0;
  if (fstat(fd, status) != 0 || status->st_ino != g_inode_of[fd]) return 0;  // closed and used for something else
  return g_inode_of[fd];
}

static void append(struct Record record, const void* payload, uint32_t payload_bytes) {
  record.payload_bytes = payload_bytes;
  record.sequence = g_sequence++;
  const struct iovec parts[2] = {{&record, sizeof record}, {(void*)payload, payload_bytes}};
  if (writev(g_journal, parts, payload_bytes > 0 ? 2 : 1) != (ssize_t)(sizeof record + payload_bytes)) {
    static const char kMessage[] = "power_loss: the journal could not be written\n";
    (void)!write(2, kMessage, sizeof kMessage - 1);
    abort();
  }
}

static void enter(struct Record record, const void* payload, uint32_t payload_bytes) {
  pthread_mutex_lock(&g_mutex);
  append(record, payload, payload_bytes);
  pthread_mutex_unlock(&g_mutex);
}

static uint64_t begin(void) {
  pthread_mutex_lock(&g_mutex);
  const uint64_t sequence = g_sequence;
  pthread_mutex_unlock(&g_mutex);
  return sequence;
}

// A second name for a file that is about to lose its own, so that it can come back.
static uint64_t keep(const char* path) {
  char name[PATH_MAX + 32];
  pthread_mutex_lock(&g_mutex);
  const uint64_t number = ++g_kept_count;
  pthread_mutex_unlock(&g_mutex);
  snprintf(name, sizeof name, "%s/%llu", g_kept, (unsigned long long)number);
  return link(path, name) == 0 ? number : 0;
}

static int open_any(int (*real)(const char*, int, ...), const char* path, int flags, mode_t mode) {
  const int watched = is_watched_path(path);
  struct stat status;
  const int creates = watched && (flags & O_CREAT) != 0 && stat(path, &status) != 0;
  if (creates && fails(2)) return -1;
  if (creates) {
    enter((struct Record){.kind = kCreate}, path, (uint32_t)strlen(path));
  }
  const int fd = real(path, flags, mode);
  if (fd >= 0 && fd < kFilesMax) {
    const int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY) != 0;
    g_inode_of[fd] = watched && writes && fstat(fd, &status) == 0 ? status.st_ino : 0;
  }
  return fd;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(arguments, int) : 0;
  va_end(arguments);
  return open_any(REAL(open), path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(arguments, int) : 0;
  va_end(arguments);
  return open_any(REAL(open64), path, flags, mode);
}

static void enter_write(int fd, uint64_t inode, const struct stat* status, size_t length, off_t offset) {
  void* old = NULL;
  ssize_t got = 0;
  // Aligned in memory as well, because the descriptor may be one of O_DIRECT.
  if (posix_memalign(&old, kAlignment, (length + kAlignment - 1) / kAlignment * kAlignment) != 0) abort();
  if (offset < status->st_size) {
    // The program's descriptor may be write-only; a second one of the same file always reads.
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int reader = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0) abort();
    got = pread(reader, old, length, offset);
    close(reader);
    if (got < 0) abort();
  }
  enter((struct Record){.kind = kWrite, .inode = inode, .offset = (uint64_t)offset, .length = length,
                        .old_size = (uint64_t)status->st_size},
        old, (uint32_t)got);
  free(old);
}

ssize_t pwrite(int fd, const void* data, size_t length, off_t offset) {
  struct stat status;
  const uint64_t inode = watched_inode(fd, &status);
  if (inode != 0) {
    if (fails(0)) return -1;
    enter_write(fd, inode, &status, length, offset);
  }
  return REAL(pwrite)(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t length, off64_t offset) {
  return pwrite(fd, data, length, offset);
}

static int enter_size(int fd, off_t new_size) {
  struct stat status;
  const uint64_t inode = watched_inode(fd, &status);
  if (inode == 0) return 0;
  if (fails(0)) return -1;
  enter((struct Record){.kind = kSize, .inode = inode, .length = (uint64_t)new_size,
                        .old_size = (uint64_t)status.st_size},
        NULL, 0);
  return 0;
}

int ftruncate(int fd, off_t length) { return enter_size(fd, length) != 0 ? -1 : REAL(ftruncate)(fd, length); }

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
  return enter_size(fd, offset + length) != 0 ? -1 : REAL(fallocate)(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return fallocate(fd, mode, offset, length); }

static int sync_any(int (*real)(int), int fd) {
  struct stat status;
  const uint64_t inode = watched_inode(fd, &status);
  if (inode == 0) return real(fd);
  if (fails(1)) return -1;
  const uint64_t safe = begin();
  const int result = real(fd);
  if (result == 0) {
    enter((struct Record){.kind = S_ISDIR(status.st_mode) ? kDirectorySync : kSync, .inode = inode, .offset = safe},
          NULL, 0);
  }
  return result;
}

int fdatasync(int fd) { return sync_any(REAL(fdatasync), fd); }

int fsync(int fd) { return sync_any(REAL(fsync), fd); }

int rename(const char* from, const char* to) {
  if (is_watched_path(to)) {
    if (fails(0)) return -1;
    char both[2 * PATH_MAX];
    const int length = snprintf(both, sizeof both, "%s\n%s", from, to);
    enter((struct Record){.kind = kRename, .kept = keep(to)}, both, (uint32_t)length);
  }
  return REAL(rename)(from, to);
}

int unlink(const char* path) {
  if (is_watched_path(path)) {
    enter((struct Record){.kind = kUnlink, .kept = keep(path)}, path, (uint32_t)strlen(path));
  }
  return REAL(unlink)(path);
}

int mkdir(const char* path, mode_t mode) {
  struct stat status;
  if (is_watched_path(path) && stat(path, &status) != 0) {
    enter((struct Record){.kind = kMakeDirectory}, path, (uint32_t)strlen(path));
  }
  return REAL(mkdir)(path, mode);
}

int rmdir(const char* path) {
  if (is_watched_path(path)) {
    enter((struct Record){.kind = kRemoveDirectory}, path, (uint32_t)strlen(path));
  }
  return REAL(rmdir)(path);
}

// The program reads the wall clock through this alone (std::chrono::system_clock does).
int clock_gettime(clockid_t clock, struct timespec* now) {
  static __typeof__(&clock_gettime) real;
  if (real == NULL) real = REAL(clock_gettime);
  const int result = real(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && g_errors != NULL) now->tv_sec += (int32_t)g_errors[3];
  return result;
}
