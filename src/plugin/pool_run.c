/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pool.h promises. POOL_HEADER stands before each block in all builds; a
 * page's blocks follow each other without gaps, and until 1903 each tells the
 * size of the one before it (public symbols; Windows Internals, "Pools").
 */
#include "vadose/pool.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/record.h"

#define PAGE 4096u
/* BlockSize and PreviousSize count 16 bytes on x64. */
#define UNIT 16u
#define HEADER_SIZE 16u
/* 16 Mi slots: 512 MB of table, far more than any machine has. */
#define MAX_SLOTS (UINT64_C(1) << 24)
/* So many are never too many: 2 MB of table. */
#define FEW_SLOTS (1u << 16)
#define SLOTS_AT_ONCE 512u
#define MAX_SLOT_SIZE 64u
/* Bits of PoolType that say which pool it is; the rest are quota, in use. */
#define POOL_KIND_MASK 0x221u

struct slot_type {
	struct vds_member_info va, key, pool_type, bytes, process;
	bool has_process;
	size_t size;
};

static bool slot_type_init(const struct vds_run *run, struct slot_type *ret)
{
	const struct vds_type *type =
		vds_type_find(run, "_POOL_TRACKER_BIG_PAGES");
	ret->size = (size_t)vds_type_size(type);
	ret->has_process =
		vds_type_member_find(type, "ProcessBilled", &ret->process);
	return ret->size >= 8 && ret->size <= MAX_SLOT_SIZE &&
	       vds_type_member_find(type, "Va", &ret->va) &&
	       vds_type_member_find(type, "Key", &ret->key) &&
	       vds_type_member_find(type, "PoolType", &ret->pool_type) &&
	       vds_type_member_find(type, "NumberOfBytes", &ret->bytes);
}

/* False if the slot was never used. */
static bool decode_slot(const struct slot_type *type, const uint8_t *data,
			struct vds_big_page *ret)
{
	uint64_t va = 0, key = 0, kind = 0;
	*ret = (struct vds_big_page){.process_why = VDS_NO_FIELD};
	vds_member_value(&type->va, data, type->size, &va);
	vds_member_value(&type->key, data, type->size, &key);
	vds_member_value(&type->pool_type, data, type->size, &kind);
	vds_member_value(&type->bytes, data, type->size, &ret->size);
	if (type->has_process)
		ret->process_why = vds_member_value(
			&type->process, data, type->size, &ret->process);
	ret->free = va & 1;
	ret->va = va & ~UINT64_C(1);
	ret->tag = (uint32_t)key;
	ret->pool_type = (uint32_t)kind;
	/* Unused slots hold no address, or just the free bit. */
	return ret->va != 0;
}

struct table {
	struct vds_run *run;
	struct slot_type type;
	uint64_t va, slots;
	struct vds_big_page *list;
	size_t count, cap;
	bool incomplete;	/* and said so */
};

/* A table of wild size has a million slots to say this about: once will do. */
static void note_unreadable(struct table *t, uint64_t slot)
{
	if (!t->incomplete)
		vds_run_note(t->run, "big_pages_unreadable", t->va,
			     "table of big allocations at 0x%016" PRIx64
			     ": part of it is not in the image, first slot %"
			     PRIu64, t->va, slot);
	t->incomplete = true;
}

static bool push(struct table *t, const struct vds_big_page *entry)
{
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct vds_big_page *list =
			vds_alloc(t->run, cap, sizeof(*list));
		if (!list)
			return false;
		if (t->count)
			memcpy(list, t->list, t->count * sizeof(*list));
		t->list = list;
		t->cap = cap;
	}
	t->list[t->count++] = *entry;
	return true;
}

static struct vds_error *read_slots(struct table *t)
{
	uint8_t buf[SLOTS_AT_ONCE * MAX_SLOT_SIZE];
	for (uint64_t i = 0; i < t->slots; i += SLOTS_AT_ONCE) {
		uint64_t n = VDS_MIN(t->slots - i, (uint64_t)SLOTS_AT_ONCE);
		uint64_t at = t->va + i * t->type.size;
		bool whole = !vds_kernel_read(t->run, at, buf,
					      (size_t)n * t->type.size);
		for (uint64_t k = 0; k < n; k++) {
			const uint8_t *slot = buf + k * t->type.size;
			struct vds_big_page entry;
			/* One page is missing: the slots beside it are not. */
			if (!whole &&
			    vds_kernel_read(t->run, at + k * t->type.size,
					    buf + k * t->type.size,
					    t->type.size)) {
				note_unreadable(t, i + k);
				continue;
			}
			if (!decode_slot(&t->type, slot, &entry))
				continue;
			entry.slot = i + k;
			if (!push(t, &entry))
				return &vds_enomem;
		}
	}
	return NULL;
}

/*
 * A slot is for a page at least: more of them than the image has pages are a
 * lie, and page tables that lead to one page again and again can back it.
 */
static void cut_slots(struct table *t)
{
	uint64_t most = VDS_MAX(vds_physical_end(t->run) / PAGE,
				(uint64_t)FEW_SLOTS);

	if (t->slots <= most)
		return;
	vds_run_note(t->run, "big_pages_size", t->va,
		     "table of big allocations at 0x%016" PRIx64 ": of %" PRIu64
		     " slots only the first %" PRIu64 " are read: the image has "
		     "no more pages", t->va, t->slots, most);
	t->slots = most;
}

struct vds_error *vds_big_pages_load(struct vds_run *run,
				     const struct vds_big_page **ret,
				     size_t *ret_count, enum vds_why *ret_why)
{
	struct table t = {.run = run};
	uint64_t at, size_at;
	*ret = NULL;
	*ret_count = 0;
	*ret_why = VDS_NO_FIELD;
	if (!slot_type_init(run, &t.type) ||
	    vds_symbol_address(run, "PoolBigPageTable", &at) ||
	    vds_symbol_address(run, "PoolBigPageTableSize", &size_at))
		return NULL;
	*ret_why = vds_kernel_uint(run, at, 8, &t.va);
	if (!*ret_why)
		*ret_why = vds_kernel_uint(run, size_at, 8, &t.slots);
	if (*ret_why)
		return NULL;
	if (!vds_is_kernel_pointer(run->session->kernel, t.va, 8) ||
	    t.slots > MAX_SLOTS ||
	    t.va > UINT64_MAX - t.slots * t.type.size) {
		*ret_why = VDS_BAD_DATA;
		return NULL;
	}
	cut_slots(&t);
	struct vds_error *err = read_slots(&t);
	*ret = t.list;
	*ret_count = t.count;
	return err;
}

const char *vds_pool_method_str(enum vds_pool_method method)
{
	switch (method) {
	case VDS_POOL_BIG_PAGES:
		return "big-page table";
	case VDS_POOL_CHAIN:
		return "chain";
	case VDS_POOL_HEADER:
		break;
	}
	return "header";
}

bool vds_pool_is_segment_heap(const struct vds_run *run)
{
	uint32_t build = run->session->kernel->build;

	/*
	 * 1809 has segment heaps too, but not yet for pool's own blocks. From
	 * 1903 on all have, also those of which the type isn't published.
	 */
	return build ? build >= 18362 :
		       vds_type_find(run, "_EX_POOL_HEAP_MANAGER_STATE") !=
			       NULL;
}

static bool is_tag(uint32_t tag)
{
	tag &= 0x7fffffff;
	for (unsigned int i = 0; i < 4; i++) {
		uint8_t c = (uint8_t)(tag >> 8 * i);
		/* Short tags are padded with NUL as well as with blanks. */
		if ((c < 0x20 || c > 0x7e) && (c || !i))
			return false;
	}
	return true;
}

/* For each of many headers: positions are prepared once. */
static bool prepare_header(struct vds_task *task)
{
	const struct vds_kernel *kernel = task->kernel;
	if (!task->pool_header.known) {
		vds_bits_init(&task->pool_header.size,
			      vds_kf(kernel, POOL_BLOCK_SIZE), 0, HEADER_SIZE);
		vds_bits_init(&task->pool_header.previous_size,
			      vds_kf(kernel, POOL_PREVIOUS_SIZE), 0,
			      HEADER_SIZE);
		vds_bits_init(&task->pool_header.type,
			      vds_kf(kernel, POOL_TYPE), 0, HEADER_SIZE);
		vds_bits_init(&task->pool_header.tag, vds_kf(kernel, POOL_TAG),
			      0, HEADER_SIZE);
		task->pool_header.known = true;
	}
	return task->pool_header.size.present &&
	       task->pool_header.previous_size.present &&
	       task->pool_header.type.present && task->pool_header.tag.present;
}

static uint32_t get(const uint8_t *bytes, const struct vds_bits *bits)
{
	return (uint32_t)(vds_le64(bytes + bits->offset) >> bits->shift &
			  bits->mask);
}

enum vds_why vds_pool_header_decode(const struct vds_run *run,
				    const void *data, size_t len,
				    uint32_t in_page,
				    struct vds_pool_header *ret)
{
	struct vds_task *task = run->task;
	uint8_t bytes[HEADER_SIZE + 8] = {0};
	if (!prepare_header(task))
		return VDS_NO_FIELD;
	if (len < HEADER_SIZE)
		return VDS_BAD_DATA;
	memcpy(bytes, data, HEADER_SIZE);
	*ret = (struct vds_pool_header){
		.size = get(bytes, &task->pool_header.size) * UNIT,
		.previous_size =
			get(bytes, &task->pool_header.previous_size) * UNIT,
		.pool_type = get(bytes, &task->pool_header.type),
		.tag = get(bytes, &task->pool_header.tag),
	};
	if (!ret->size || ret->size > PAGE - in_page || !is_tag(ret->tag))
		return VDS_BAD_DATA;
	return VDS_PRESENT;
}

static void from_header(const struct vds_pool_header *header, uint64_t va,
			enum vds_pool_method method, bool segment_heap,
			struct vds_pool_block *ret)
{
	*ret = (struct vds_pool_block){
		.address = va,
		.data = va + HEADER_SIZE,
		.size = header->size,
		.previous_size = segment_heap ? 0 : header->previous_size,
		.tag = header->tag,
		.pool_type = header->pool_type,
		.method = method,
		/* The type of a free block is cleared. */
		.allocated = header->pool_type != 0,
	};
}

/* From the page's first block to the one that covers offset @want. */
static bool follow_chain(const struct vds_run *run, const uint8_t *page,
			 uint64_t base, uint32_t want,
			 struct vds_pool_block *ret)
{
	bool segment_heap = vds_pool_is_segment_heap(run);
	uint32_t at = 0, before = 0;
	while (at <= want) {
		struct vds_pool_header header;
		if (at > PAGE - HEADER_SIZE ||
		    vds_pool_header_decode(run, page + at, HEADER_SIZE, at,
					   &header))
			return false;
		if (!segment_heap && header.previous_size != before)
			return false;
		if (want < at + header.size) {
			from_header(&header, base + at, VDS_POOL_CHAIN,
				    segment_heap, ret);
			return true;
		}
		before = header.size;
		at += header.size;
	}
	return false;
}

/* The nearest header before offset @want whose block covers it. */
static bool look_back(const struct vds_run *run, const uint8_t *page,
		      uint64_t base, uint32_t want, struct vds_pool_block *ret)
{
	uint32_t at = VDS_MIN(want, PAGE - HEADER_SIZE) / UNIT * UNIT;
	for (;; at -= UNIT) {
		struct vds_pool_header header;
		if (!vds_pool_header_decode(run, page + at, HEADER_SIZE, at,
					    &header) &&
		    header.pool_type && header.size > HEADER_SIZE &&
		    want < at + header.size) {
			from_header(&header, base + at, VDS_POOL_HEADER,
				    vds_pool_is_segment_heap(run), ret);
			return true;
		}
		if (!at)
			return false;
	}
}

enum vds_why vds_pool_block_at(struct vds_run *run, uint64_t va,
			       const struct vds_big_page *big, size_t num_big,
			       struct vds_pool_block *ret)
{
	uint64_t base = va & ~UINT64_C(0xfff);
	uint32_t want = (uint32_t)(va & 0xfff);
	uint8_t page[PAGE];
	if (!vds_is_kernel_pointer(run->session->kernel, va, 1))
		return VDS_BAD_ADDRESS;
	for (size_t i = 0; i < num_big; i++) {
		if (va < big[i].va || va - big[i].va >= big[i].size)
			continue;
		*ret = (struct vds_pool_block){
			.address = big[i].va, .data = big[i].va,
			.size = big[i].size, .tag = big[i].tag,
			.pool_type = big[i].pool_type,
			.method = VDS_POOL_BIG_PAGES,
			.allocated = !big[i].free,
		};
		return VDS_PRESENT;
	}
	if (!vds_type_find(run, "_POOL_HEADER"))
		return VDS_NO_FIELD;
	enum vds_why why = vds_kernel_read(run, base, page, sizeof(page));
	if (why)
		return why;
	if (follow_chain(run, page, base, want, ret) ||
	    look_back(run, page, base, want, ret))
		return VDS_PRESENT;
	return VDS_NOT_APPLICABLE;
}

const char *vds_pool_tag_str(struct vds_run *run, uint32_t tag)
{
	char *text = vds_alloc(run, 1, 4 * 4 + 1), *p = text;
	/* Bit 31 marks protected tags; it belongs to no letter. */
	tag &= 0x7fffffff;
	for (unsigned int i = 0; text && i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		uint8_t c = (uint8_t)(tag >> 8 * i);
		if (c >= 0x20 && c <= 0x7e && c != '\\') {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		*p++ = 'x';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	return text;
}

const char *vds_pool_type_str(const struct vds_run *run, uint32_t pool_type)
{
	/*
	 * Several enumerators share a value, in no useful order, and the names
	 * of some kinds changed: these are the ones that drivers pass.
	 */
	static const char *const names[] = {
		"PagedPool", "PagedPoolSession", "NonPagedPoolNx",
		"NonPagedPoolSessionNx", "NonPagedPool", "NonPagedPoolSession",
	};
	const struct vds_type *type = vds_type_find(run, "_POOL_TYPE");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int64_t value;
		if (vds_type_enum_value(type, names[i], &value) &&
		    (uint64_t)value == (pool_type & POOL_KIND_MASK))
			return names[i];
	}
	return NULL;
}
