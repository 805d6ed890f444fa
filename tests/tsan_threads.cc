// The threads, locks and conditions of C11, by those of POSIX, which ThreadSanitizer knows. It does
// not know C11's (GCC 12), and a thread that it has not seen begin ends the process with a
// segmentation fault: librdkafka's are such. Linked into every program of the preset `tsan`, whose
// symbols come before glibc's.
//
// glibc lays out both kinds alike; the sizes are checked below.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace {

static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t));
static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t));
static_assert(sizeof(thrd_t) == sizeof(pthread_t));

pthread_mutex_t* Mutex(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* Condition(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

int ResultOf(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case ETIMEDOUT:
      return thrd_timedout;
    case EBUSY:
      return thrd_busy;
    case ENOMEM:
    case EAGAIN:
      return thrd_nomem;
    default:
      return thrd_error;
  }
}

struct Begin {
  thrd_start_t function;
  void* argument;
};

void* Run(void* given) {
  const Begin begin = *static_cast<Begin*>(given);
  delete static_cast<Begin*>(given);
  return reinterpret_cast<void*>(static_cast<intptr_t>(begin.function(begin.argument)));
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto* const begin = new Begin{function, argument};
  const int error = pthread_create(thread, nullptr, Run, begin);
  if (error != 0) delete begin;
  return ResultOf(error);
}
int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int error = pthread_join(thread, &returned);
  if (error == 0 && result != nullptr) {
    *result = static_cast<int>(reinterpret_cast<intptr_t>(returned));
  }
  return ResultOf(error);
}

int mtx_init(mtx_t* mutex, int type) noexcept {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(Mutex(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return ResultOf(error);
}
void mtx_destroy(mtx_t* mutex) noexcept { pthread_mutex_destroy(Mutex(mutex)); }
int mtx_lock(mtx_t* mutex) { return ResultOf(pthread_mutex_lock(Mutex(mutex))); }
int mtx_trylock(mtx_t* mutex) noexcept { return ResultOf(pthread_mutex_trylock(Mutex(mutex))); }
int mtx_unlock(mtx_t* mutex) noexcept { return ResultOf(pthread_mutex_unlock(Mutex(mutex))); }

int cnd_init(cnd_t* condition) noexcept {
  return ResultOf(pthread_cond_init(Condition(condition), nullptr));
}
void cnd_destroy(cnd_t* condition) noexcept { pthread_cond_destroy(Condition(condition)); }
int cnd_signal(cnd_t* condition) noexcept {
  return ResultOf(pthread_cond_signal(Condition(condition)));
}
int cnd_broadcast(cnd_t* condition) noexcept {
  return ResultOf(pthread_cond_broadcast(Condition(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return ResultOf(pthread_cond_wait(Condition(condition), Mutex(mutex)));
}
int cnd_timedwait(cnd_t* __restrict condition, mtx_t* __restrict mutex,
                  const timespec* __restrict until) {
  return ResultOf(pthread_cond_timedwait(Condition(condition), Mutex(mutex), until));
}

}  // extern "C"
