/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sigbus.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

/*
 * The handler may run at any instruction, so it takes no lock: it looks at
 * these pointers, which are published and withdrawn atomically.
 */
#define MAX_RANGES 256
static struct vds_sigbus_range *_Atomic ranges[MAX_RANGES];
static struct sigaction previous;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct vds_sigbus_range *range_of(uintptr_t addr)
{
	for (size_t i = 0; i < MAX_RANGES; i++) {
		struct vds_sigbus_range *range = atomic_load(&ranges[i]);
		if (!range)
			continue;
		uintptr_t start = atomic_load(&range->start);
		if (start && addr >= start && addr - start < range->len)
			return range;
	}
	return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *ucontext)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	struct vds_sigbus_range *range = range_of(addr);
	if (range) {
		uintptr_t page = addr & ~(uintptr_t)(VDS_PAGE_MASK);
		atomic_store(&range->hit, true);
		if (mmap((void *)page, VDS_PAGE_SIZE, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != MAP_FAILED)
			return;
	}
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(sig, info, ucontext);
	} else if (previous.sa_handler != SIG_IGN &&
		   previous.sa_handler != SIG_DFL) {
		previous.sa_handler(sig);
	} else {
		signal(SIGBUS, SIG_DFL);
		raise(SIGBUS);
	}
}

static void install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus,
				   .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &previous);
}

bool vds_sigbus_guard(struct vds_sigbus_range *range, const void *start,
		      size_t len)
{
	pthread_once(&once, install);
	range->len = len;
	atomic_store(&range->hit, false);
	atomic_store(&range->start, (uintptr_t)start);
	for (int i = 0; i < MAX_RANGES; i++) {
		struct vds_sigbus_range *expected = NULL;
		if (atomic_compare_exchange_strong(&ranges[i], &expected,
						   range)) {
			range->slot = i;
			return true;
		}
	}
	return false;
}

void vds_sigbus_unguard(struct vds_sigbus_range *range)
{
	atomic_store(&ranges[range->slot], NULL);
	atomic_store(&range->start, 0);
}
