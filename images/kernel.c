/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel image, its globals, and what the machine itself holds. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "pe.h"

#define LARGE_PAGE (UINT64_C(2) << 20)
#define KUSER UINT64_C(0xfffff78000000000)
/* Room behind the last symbol, whose size no symbol table gives. */
#define TAIL 0x20000u
/* CR4 of a running x64 system; bit 12 turns the fifth level on. */
#define CR4 UINT64_C(0x1506f8)
#define CR4_LA57 (UINT64_C(1) << 12)
/* Of a kernel whose PDB nobody has named. */
#define NO_GUID "5CE7E5CE7E5CE7E5CE7E5CE7E5CE7E01"
#define TIMESTAMP 0x5f7f4a2eu

/* Globals that are filled somewhere, and how many bytes of each. */
static const struct {
	const char *name;
	uint32_t size;
} filled[] = {
	{ "CcVacbArrays", 8 },		{ "CcVacbArraysHighestUsedIndex", 4 },
	{ "HandleTableListHead", 16 },	{ "IoFileObjectType", 8 },
	{ "KdVersionBlock", 40 },	{ "KeNumberProcessors", 4 },
	{ "KiProcessListHead", 16 },	{ "MiInvalidPteMask", 8 },
	{ "MiPageFileSectionHead", 8 },
	{ "MiState", 0x6000 },		{ "MmHighestUserAddress", 8 },
	{ "MmPfnDatabase", 8 },		{ "MmProcessList", 16 },
	{ "MmProtectToValue", 128 },	{ "MmPteBase", 8 },
	{ "MmSectionObjectType", 8 },	{ "MmSession", 0x58 },
	{ "MmSystemRangeStart", 8 },
	{ "NtBuildLab", 128 },
	{ "NtBuildLabEx", 128 },	{ "NtBuildNumber", 4 },
	{ "ObHeaderCookie", 1 },	{ "ObTypeIndexTable", 256 },
	{ "ObpDirectoryObjectType", 8 },	{ "ObpInfoMaskToOffset", 256 },
	{ "ObpRootDirectoryObject", 8 },	{ "ObpTypeDirectoryObject", 8 },
	{ "ObpTypeObjectType", 8 },	{ "PoolBigPageTable", 8 },
	{ "PoolBigPageTableSize", 8 },	{ "PsActiveProcessHead", 16 },
	{ "PsInitialSystemProcess", 8 },	{ "PsLoadedModuleList", 16 },
	{ "PsNtosImageBase", 8 },	{ "PsProcessType", 8 },
	{ "PsThreadType", 8 },		{ "PspCidTable", 8 },
};

/* Public exports of the kernel, in the order that its export table has. */
static const char *const exported[] = {
	"IoFileObjectType", "KeNumberProcessors", "MmHighestUserAddress",
	"MmSectionObjectType", "MmSystemRangeStart", "NtBuildLab",
	"NtBuildNumber", "PsInitialSystemProcess", "PsLoadedModuleList",
	"PsProcessType", "PsThreadType",
};

void kernel_place(struct world *w)
{
	uint64_t last = 0x100000;
	struct scene *scene = w->scene;

	for (size_t i = 0; i < vds_profile_num_symbols(w->symbols); i++)
		last = VDS_MAX(last, vds_profile_symbol_at(w->symbols, i)->rva);
	w->base = scene->kernel_base;
	w->kernel_size = (last + TAIL) & ~VDS_PAGE_MASK;
	uint64_t page = scene->small_pages ? VDS_PAGE_SIZE : LARGE_PAGE;
	uint64_t pages = (w->kernel_size + page - 1) / page;
	uint64_t frames = pages * (page / VDS_PAGE_SIZE);
	if (w->base % page) {
		world_fail(w, vds_error_create(VDS_ERROR_FORMAT,
			"the kernel's base is not aligned to its pages"));
		return;
	}
	if (scene->kernel_pa == SCENE_AUTO)
		w->kernel_pa = mem_alloc_run(w, frames, page / VDS_PAGE_SIZE) *
			       VDS_PAGE_SIZE;
	else
		w->kernel_pa = scene->kernel_pa;
	for (uint64_t i = 0; i < frames; i++)
		mem_reserve(w, w->kernel_pa / VDS_PAGE_SIZE + i);
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t va = w->base + i * page, pa = w->kernel_pa + i * page;
		uint64_t pte = pa | PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G;
		if (scene->small_pages)
			space_map(w, &w->kernel, va, pte);
		else
			mem_put64(w, space_entry(w, &w->kernel, va, 2),
				  pte | PTE_PS);
	}
}

/* A page of the image that no filled global touches, from *rva on. */
static uint32_t free_page(struct world *w, uint32_t rva)
{
	for (;; rva += PE_PAGE) {
		bool taken = false;
		for (size_t i = 0; i < VDS_ARRAY_SIZE(filled); i++) {
			uint64_t va = global(w, filled[i].name);
			if (va && va - w->base < rva + (uint64_t)PE_PAGE &&
			    va - w->base + filled[i].size > rva)
				taken = true;
		}
		if (!taken)
			return rva;
	}
}

static uint32_t put_exports(struct world *w, uint32_t rva)
{
	const char *names[VDS_ARRAY_SIZE(exported)];
	uint32_t rvas[VDS_ARRAY_SIZE(exported)], n = 0;
	uint8_t page[PE_PAGE] = { 0 };

	for (size_t i = 0; i < VDS_ARRAY_SIZE(exported); i++) {
		uint64_t va = global(w, exported[i]);
		if (!va)
			continue;
		names[n] = exported[i];
		rvas[n++] = (uint32_t)(va - w->base);
	}
	uint32_t size = pe_exports(page, sizeof(page), rva, "ntoskrnl.exe",
				   names, rvas, n);
	space_write(w, &w->kernel, w->base + rva, page, size);
	return size;
}

void kernel_fill(struct world *w)
{
	const struct vds_profile_identity *id =
		vds_profile_identity(w->profile);
	uint8_t page[PE_PAGE] = { 0 };
	uint32_t size = (uint32_t)w->kernel_size;
	uint32_t quarter = size / 4 & ~(PE_PAGE - 1);
	uint32_t exports = free_page(w, PE_PAGE);
	uint32_t debug = free_page(w, exports + PE_PAGE);
	struct pe_section sections[] = {
		{ ".text", PE_PAGE, quarter - PE_PAGE, PE_EXECUTABLE_CODE },
		{ "POOLCODE", quarter, 0x8000, PE_EXECUTABLE_CODE },
		{ ".data", quarter + 0x8000, size - quarter - 0x10000,
		  PE_DATA },
		{ ".reloc", size - 0x8000, 0x8000, PE_DISCARDABLE },
	};

	w->rsds_rva = debug + 28;
	uint32_t len = pe_debug(page, debug, id->pdb[0] ? id->pdb
							: "ntkrnlmp.pdb",
				id->guid[0] ? id->guid : NO_GUID, id->age,
				TIMESTAMP);
	space_write(w, &w->kernel, w->base + debug, page, len);
	struct pe pe = {
		.image_base = w->base, .size = size, .entry = quarter,
		.timestamp = TIMESTAMP, .export_rva = exports,
		.export_size = put_exports(w, exports), .debug_rva = debug,
		.debug_size = 28, .sections = sections,
		.num_sections = VDS_ARRAY_SIZE(sections),
	};
	pe_header(&pe, page);
	space_write(w, &w->kernel, w->base, page, sizeof(page));
}

static void put_ksystem_time(struct world *w, uint64_t va, uint64_t time)
{
	put(w, &w->kernel, va, "_KSYSTEM_TIME", "LowPart", time & UINT32_MAX);
	put(w, &w->kernel, va, "_KSYSTEM_TIME", "High1Time", time >> 32);
	put(w, &w->kernel, va, "_KSYSTEM_TIME", "High2Time", time >> 32);
}

static void put_kuser(struct world *w)
{
	static const char type[] = "_KUSER_SHARED_DATA";
	uint32_t build = w->build;
	uint8_t root[64] = { 0 };
	/* 7 is 6.1, 8.1 is 6.3, all after that 10.0. */
	uint32_t major = build >= 10000 || !build ? 10 : 6;
	uint32_t minor = major == 10 ? 0 : build >= 9600 ? 3
			 : build >= 9200 ? 2 : 1;

	w->kuser_pfn = space_pfn(w, &w->kernel, KUSER);
	size_t len = text_utf16("C:\\Windows", root, sizeof(root));
	put_bytes(w, &w->kernel, KUSER, type, "NtSystemRoot", root, len + 2);
	put(w, &w->kernel, KUSER, type, "NtProductType", 1);
	(void)put_opt(w, &w->kernel, KUSER, type, "ProductTypeIsValid", 1);
	put(w, &w->kernel, KUSER, type, "NtMajorVersion", major);
	put(w, &w->kernel, KUSER, type, "NtMinorVersion", minor);
	(void)put_opt(w, &w->kernel, KUSER, type, "NtBuildNumber",
		      0xf0000000u | build);
	put(w, &w->kernel, KUSER, type, "NumberOfPhysicalPages",
	    w->scene->memory / VDS_PAGE_SIZE);
	put_ksystem_time(w, KUSER + offset_of(w, type, "SystemTime"),
			 w->scene->time);
	/* Two hours since the start. */
	put_ksystem_time(w, KUSER + offset_of(w, type, "InterruptTime"),
			 UINT64_C(72000000000));
}

/*
 * PROCESSOR_START_BLOCK, which starts further processors: a jump, then the
 * target and the control registers, where every published finder of the page
 * tables looks for them.
 */
static void put_stub(struct world *w)
{
	uint64_t pa = w->scene->stub;

	if (w->scene->no_stub)
		return;
	mem_reserve(w, pa / VDS_PAGE_SIZE);
	mem_put64(w, pa, UINT64_C(0x00000001000600e9));
	mem_put64(w, pa + 0x70, w->base + 0x1000);
	mem_put64(w, pa + 0xa0, w->kernel.dtb);
	mem_put64(w, pa + 0xa8, CR4 | (w->scene->la57 ? CR4_LA57 : 0));
}

static void put_string(struct world *w, const char *symbol, const char *text)
{
	uint64_t va = global(w, symbol);
	if (va)
		space_write(w, &w->kernel, va, text, strlen(text) + 1);
}

static void add_module(struct world *w, const char *name, uint64_t base,
		       uint64_t size)
{
	const char *type = has_type(w, "_KLDR_DATA_TABLE_ENTRY")
		? "_KLDR_DATA_TABLE_ENTRY" : "_LDR_DATA_TABLE_ENTRY";
	uint64_t head = global(w, "PsLoadedModuleList");
	char path[128];

	if (!head)
		return;
	uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type), "MmLd");
	put(w, &w->kernel, va, type, "DllBase", base);
	put(w, &w->kernel, va, type, "SizeOfImage", size);
	(void)snprintf(path, sizeof(path), "\\SystemRoot\\system32\\%s", name);
	(void)put_text(w, &w->kernel, va + offset_of(w, type, "FullDllName"),
		       path, 0);
	(void)put_text(w, &w->kernel, va + offset_of(w, type, "BaseDllName"),
		       name, 0);
	list_add(w, head, va + offset_of(w, type, "InLoadOrderLinks"));
}

static void put_version_block(struct world *w)
{
	static const char type[] = "_DBGKD_GET_VERSION64";
	uint64_t va = global(w, "KdVersionBlock");

	if (!va || !has_type(w, type))
		return;
	put(w, &w->kernel, va, type, "MajorVersion", 15);
	put(w, &w->kernel, va, type, "MinorVersion",
	    w->build);
	put(w, &w->kernel, va, type, "MachineType", 0x8664);
	put(w, &w->kernel, va, type, "KernBase", w->base);
	put(w, &w->kernel, va, type, "PsLoadedModuleList",
	    global(w, "PsLoadedModuleList"));
}

static void put_mask(struct world *w)
{
	uint64_t state = global(w, "MiState");

	if (!put_global(w, "MiInvalidPteMask", w->mask) && state)
		(void)put_opt(w, &w->kernel, state, "_MI_SYSTEM_INFORMATION",
			      "Hardware.InvalidPteMask", w->mask);
}

/*
 * Win32 PAGE_ values by protection code: eight kinds of access in each of four
 * groups (plain, no cache, guard, write combining); nothing modifies no access.
 */
static void put_protections(struct world *w)
{
	static const uint32_t kinds[8] = { 0x01, 0x02, 0x10, 0x20,
					   0x04, 0x08, 0x40, 0x80 };
	static const uint32_t groups[4] = { 0, 0x200, 0x100, 0x400 };
	uint64_t va = global(w, "MmProtectToValue");
	uint8_t table[128];

	for (unsigned int i = 0; i < 32; i++)
		vds_put_le32(table + 4 * i,
			     kinds[i % 8] | (i % 8 ? groups[i / 8] : 0));
	if (va)
		space_write(w, &w->kernel, va, table, sizeof(table));
}

/* A page file, and the one without a file that is the compressed store. */
void paging_files_build(struct world *w)
{
	static const char type[] = "_MMPAGING_FILE";
	uint64_t partition = global(w, "MiSystemPartition");
	static const uint32_t numbers[] = { 0, VIRTUAL_STORE };

	if (!partition || !has_field(w, type, "VirtualStorePagefile") ||
	    !has_field(w, "_MI_PARTITION", "Vp.PagingFile"))
		return;
	uint64_t list = partition + offset_of(w, "_MI_PARTITION",
					      "Vp.PagingFile");
	for (size_t i = 0; i < VDS_ARRAY_SIZE(numbers); i++) {
		uint8_t pointer[8];
		uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type),
					 "MmPg");
		put(w, &w->kernel, va, type, "PageFileNumber", numbers[i]);
		put(w, &w->kernel, va, type, "VirtualStorePagefile",
		    numbers[i] == VIRTUAL_STORE);
		vds_put_le64(pointer, va);
		space_write(w, &w->kernel, list + 8 * numbers[i], pointer, 8);
	}
}

void kernel_globals(struct world *w)
{
	static const char *const lists[] = {
		"PsActiveProcessHead", "PsLoadedModuleList",
		"KiProcessListHead", "MmProcessList", "HandleTableListHead",
	};
	const struct vds_profile_identity *id =
		vds_profile_identity(w->profile);
	char lab[128];
	uint8_t number[4];

	for (size_t i = 0; i < VDS_ARRAY_SIZE(lists); i++)
		if (global(w, lists[i]))
			list_init(w, global(w, lists[i]));
	uint64_t state = global(w, "MiState");
	if (state && has_field(w, "_MI_SYSTEM_INFORMATION",
			       "Processes.ProcessList"))
		list_init(w, state + offset_of(w, "_MI_SYSTEM_INFORMATION",
					       "Processes.ProcessList"));
	(void)snprintf(lab, sizeof(lab), "%u.%u.amd64fre.vadose_scene.201008-1721",
		       w->build, id->revision);
	put_string(w, "NtBuildLab", w->scene->lab ? w->scene->lab : lab);
	put_string(w, "NtBuildLabEx", w->scene->lab ? w->scene->lab : lab);
	vds_put_le32(number, 0xf0000000u | id->build);
	if (global(w, "NtBuildNumber"))
		space_write(w, &w->kernel, global(w, "NtBuildNumber"), number,
			    4);
	vds_put_le32(number, 1);
	if (global(w, "KeNumberProcessors"))
		space_write(w, &w->kernel, global(w, "KeNumberProcessors"),
			    number, 1);
	(void)put_global(w, "MmPfnDatabase", w->pfn_db);
	(void)put_global(w, "MmPteBase", w->pte_base);
	(void)put_global(w, "PsNtosImageBase", w->base);
	(void)put_global(w, "MmHighestUserAddress",
			 has_field(w, "_MMVAD_SHORT", "StartingVpnHigh")
				 ? UINT64_C(0x7ffffffeffff)
				 : UINT64_C(0x7fffffeffff));
	(void)put_global(w, "MmSystemRangeStart", UINT64_C(0xffff080000000000));
	put_protections(w);
	put_mask(w);
	put_kuser(w);
	put_stub(w);
	put_version_block(w);
	add_module(w, "ntoskrnl.exe", w->base, w->kernel_size);
	add_module(w, "hal.dll", w->base + 0x10000000, 0xa6000);
}
