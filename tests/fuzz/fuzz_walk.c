/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A physical memory of 64 pages, written by the input: flags (1 byte), a
 * virtual address (8), then records of page (1), slot (2) and entry (8). Page
 * 0 is the top table. Everything that walks tables is let loose on it.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/testmem.h"
#include "fuzz_pte.h"
#include "nt/discover.h"
#include "nt/kuser.h"
#include "nt/resolve.h"

#define PAGES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_memory(struct testmem *mem, struct vds_bytes *b)
{
	while (vds_bytes_left(b) >= 11) {
		unsigned int page = vds_bytes_u8(b) % PAGES;
		unsigned int slot = vds_bytes_u16(b) % 512;
		testmem_put64(mem, page * 4096 + slot * 8, vds_bytes_u64(b));
	}
}

static void walk(struct vds_kernel *kernel, struct vds_tlb *tlb, uint64_t va)
{
	struct vds_walk report;
	uint8_t buf[0x3000];
	enum vds_why why[4];
	uint64_t pa, cached;
	vds_space_walk(&kernel->space, tlb, va, &report);
	if (report.num_steps > 5)
		abort();
	if (vds_space_translate(&kernel->space, tlb, va, &pa, NULL) !=
	    report.why)
		abort();
	if (!report.why && pa != report.pa)
		abort();
	if (!report.why &&
	    (vds_space_translate(&kernel->space, tlb, va, &cached, NULL) ||
	     cached != pa))
		abort();
	vds_space_read_partial(&kernel->space, tlb, va, buf, sizeof(buf), why);
	vds_space_read(&kernel->space, tlb, va, buf, sizeof(buf));
}

static void discover(struct testmem *mem, struct vds_kernel *kernel,
		     struct vds_tlb *tlb)
{
	struct vds_dtb_hit hit;
	struct vds_kuser kuser;
	static struct vds_kernel_base bases[4];
	struct vds_space plain = kernel->space;
	plain.resolve = NULL;
	plain.id = 0;
	for (unsigned int i = 0; i < PAGES; i++) {
		uint64_t cr3;
		bool la57;
		vds_dtb_check_page(mem->bytes + i * 4096, i * 4096, &hit);
		vds_low_stub_check(mem->bytes + i * 4096, &cr3, &la57);
	}
	vds_kuser_read(&plain, NULL, &kuser);
	vds_kernel_base_find(&plain, tlb, false, bases, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct testmem mem;
	struct vds_bytes b;
	vds_bytes_init(&b, data, size);
	uint8_t flags = vds_bytes_u8(&b);
	uint64_t va = vds_bytes_u64(&b);
	struct vds_tlb *tlb = vds_tlb_create();
	testmem_init(&mem, PAGES * 4096);
	write_memory(&mem, &b);
	struct vds_kernel *kernel = calloc(1, sizeof(*kernel));
	if (!tlb || !kernel)
		abort();
	kernel->image = &mem.image;
	kernel->pte = fuzz_pte_format(flags & 1, flags & 2,
				      UINT64_C(1) << 45);
	kernel->space = (struct vds_space){
		.image = &mem.image, .levels = flags & 4 ? 5 : 4,
		.resolve = vds_resolve_kernel, .ctx = kernel,
		.id = VDS_SPACE_ID_KERNEL,
	};
	walk(kernel, tlb, va);
	walk(kernel, tlb, ~va);
	discover(&mem, kernel, tlb);
	free(kernel);
	vds_tlb_destroy(tlb);
	testmem_deinit(&mem);
	return 0;
}
