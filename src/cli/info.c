/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/info.h"

#include "base/str.h"
#include "base/util.h"
#include "image/image.h"
#include "nt/kernel.h"
#include "plugin/session.h"

/* Lines of one list; a machine has a few dozen ranges. */
#define MAX_LINES 512

enum {
	I_PATH, I_SIZE, I_FORMAT, I_DIALECT, I_SYSTEM_TIME, I_BOOT_TIME,
	I_DATA, I_ZERO, I_UNREADABLE, I_ABSENT, I_END, I_RUNS, I_METADATA,
	K_DTB, K_METHOD, K_LEVELS, K_BASE, K_SIZE, K_BUILD, K_REVISION, K_LAB,
	K_PRODUCT, K_ROOT, K_PAGES, K_PDB_NAME, K_PDB_GUID, K_PDB_AGE,
	K_PROCESSES, K_SYSTEM_PROCESS, K_PROCESS_HEAD, K_CANDIDATES,
	K_BASE_METHOD, K_PDB_METHOD,
	I_MACHINE, I_VIRTUAL, I_BLOCKS, I_MODULES,
	C_TIME, C_BOOT_TIME, C_BUGCHECK, C_PARAMETERS, C_PROCESS, C_PID,
	C_NAME, C_THREAD, C_TID, C_PRCB,
	P_PATH, P_SHA256, P_MATCH, P_CONFIDENCE, P_BUILD, P_INFERENCES,
	NUM_COLUMNS,
};

#define C(path, kind, title, doc) \
	{path, VDS_KIND_##kind, 0, title, NULL, doc, NULL}
static const struct vds_column columns[NUM_COLUMNS] = {
	[I_PATH] = C("image.path", STR, "image", "as given"),
	[I_SIZE] = C("image.size", SIZE, "size", "bytes of the container"),
	[I_FORMAT] = C("image.format", STR, "format", "container format"),
	[I_DIALECT] = C("image.dialect", STR, "dialect", "variant of it"),
	[I_SYSTEM_TIME] = C("image.system_time", TIME, "system time",
			    "KUSER_SHARED_DATA.SystemTime, UTC"),
	[I_BOOT_TIME] = C("image.boot_time", TIME, "boot time",
			  "system time less interrupt time, UTC"),
	[I_DATA] = C("image.bytes.data", SIZE, "physical, acquired",
		     "bytes that the container holds"),
	[I_ZERO] = C("image.bytes.zero", SIZE, "physical, zero",
		     "bytes that it says are zero"),
	[I_UNREADABLE] = C("image.bytes.unreadable", SIZE,
			   "physical, unreadable",
			   "bytes whose acquisition failed"),
	[I_ABSENT] = C("image.bytes.absent", SIZE, "physical, absent",
		       "bytes of no range, below the stream's end"),
	[I_END] = C("image.end", ADDR, "physical end",
		    "past the last physical address"),
	[I_RUNS] = C("image.runs", STRS, "physical runs",
		     "first and last address, and what is there"),
	[I_METADATA] = C("image.metadata", STRS, "container says",
			 "name=value"),
	[K_DTB] = {"kernel.dtb", VDS_KIND_ADDR, VDS_COLUMN_KEY, "DTB", NULL,
		   "physical address of the kernel's top page table", NULL},
	[K_METHOD] = C("kernel.dtb_method", STR, "found by",
		       "option, hint, low-stub or self-ref"),
	[K_LEVELS] = C("kernel.levels", INT, "page-table levels",
		       "4, or 5 with LA57"),
	[K_BASE] = {"kernel.base", VDS_KIND_ADDR, VDS_COLUMN_KEY,
		    "kernel base", NULL, "virtual address of the kernel image",
		    NULL},
	[K_SIZE] = C("kernel.size", SIZE, "kernel size", "SizeOfImage"),
	[K_BUILD] = C("kernel.build", INT, "build", "NT build number"),
	[K_REVISION] = C("kernel.revision", INT, "revision",
			 "update build revision"),
	[K_LAB] = C("kernel.build_lab", STR, "build lab", "NtBuildLab"),
	[K_PRODUCT] = C("kernel.product", STR, "product",
			"workstation, domain controller or server"),
	[K_ROOT] = C("kernel.system_root", STR, "system root",
		     "KUSER_SHARED_DATA.NtSystemRoot"),
	[K_PAGES] = C("kernel.physical_pages", INT, "physical pages",
		      "as the kernel counts them"),
	[K_PDB_NAME] = C("kernel.pdb.name", STR, "PDB", "its file name"),
	[K_PDB_GUID] = C("kernel.pdb.guid", STR, "PDB GUID", "of the RSDS record"),
	[K_PDB_AGE] = C("kernel.pdb.age", INT, "PDB age", "of the RSDS record"),
	[K_PROCESSES] = C("kernel.processes", INT, "processes",
			  "entries of the process table"),
	[K_SYSTEM_PROCESS] = C("kernel.system_process", ADDR, "System EPROCESS",
			       "of PID 4"),
	[K_PROCESS_HEAD] = C("kernel.process_head", ADDR,
			     "PsActiveProcessHead", "head of the list"),
	[K_CANDIDATES] = C("kernel.candidates", STRS, "DTB candidates",
			   "all that were looked at, and the verdict"),
	[K_BASE_METHOD] = C("kernel.base_method", STR, "base by",
			    "page tables, driver list, debugger data block, image header, addresses, or option"),
	[K_PDB_METHOD] = C("kernel.pdb.method", STR, "PDB by",
			   "codeview (its own record), or addresses of globals"),
	[I_MACHINE] = C("image.machine", STR, "machine",
			"as the container says: x64, x86, arm64"),
	[I_VIRTUAL] = C("image.bytes.virtual", SIZE, "virtual, acquired",
			"bytes in blocks of virtual memory (triage dumps)"),
	[I_BLOCKS] = C("image.blocks", STRS, "virtual blocks",
		       "first and last address of each"),
	[I_MODULES] = C("image.modules", INT, "modules listed",
			"loaded and unloaded, in the container's own lists"),
	[C_TIME] = C("crash.time", TIME, "header's time",
		     "system time as the dump's header has it, UTC"),
	[C_BOOT_TIME] = C("crash.boot_time", TIME, "header's boot time",
			  "that less the header's uptime, UTC"),
	[C_BUGCHECK] = C("crash.bugcheck", HEX, "bug check", "its code"),
	[C_PARAMETERS] = C("crash.bugcheck_parameters", STRS, "parameters",
			   "of the bug check, four"),
	[C_PROCESS] = C("crash.process", ADDR, "crashed EPROCESS",
			"current on the processor that crashed"),
	[C_PID] = C("crash.pid", INT, "crashed PID", "of that process"),
	[C_NAME] = C("crash.process_name", STR, "crashed process", "its name"),
	[C_THREAD] = C("crash.thread", ADDR, "crashed ETHREAD",
		       "current on the processor that crashed"),
	[C_TID] = C("crash.tid", INT, "crashed TID", "of that thread"),
	[C_PRCB] = C("crash.prcb", ADDR, "crashed KPRCB",
		     "of the processor that crashed"),
	[P_PATH] = C("profile.path", STR, "profile", "file in use"),
	[P_SHA256] = C("profile.sha256", STR, "profile SHA-256",
		       "of its bytes"),
	[P_MATCH] = C("profile.match", STR, "profile match",
		      "exact, or a layout of its build"),
	[P_CONFIDENCE] = C("profile.confidence", STR, "profile confidence",
			   "symbols, or published facts"),
	[P_BUILD] = C("profile.build", INT, "profile build",
		      "that its layouts were read from"),
	[P_INFERENCES] = C("profile.inferences", STRS, "inferred",
			   "values that no symbol gave, and their checks"),
};
#undef C

/* A list of strings under construction. */
struct lines {
	struct vds_str text;
	size_t count;
	bool more;
};

static bool room(struct lines *lines)
{
	if (lines->count < MAX_LINES) {
		lines->count++;
		return true;
	}
	lines->more = true;
	return false;
}

/* The finished list, copied into the run's memory. */
static struct vds_value take(struct vds_run *run, struct lines *lines)
{
	struct vds_value value = {0};
	char *copy = lines->text.len && !lines->text.failed ?
			     vds_alloc(run, lines->text.len, 1) : NULL;
	if (copy) {
		memcpy(copy, lines->text.data, lines->text.len);
		value = (struct vds_value){
			.kind = VDS_KIND_STRS, .s = copy,
			.count = (uint32_t)lines->text.len,
			.flags = lines->more ? VDS_VALUE_TRUNCATED : 0};
	}
	vds_str_deinit(&lines->text);
	return value;
}

static void add_run(struct lines *lines, uint64_t pa, uint64_t end,
		    const char *kind)
{
	if (pa >= end || !room(lines))
		return;
	vds_str_printf(&lines->text, "0x%012llx-0x%012llx %s",
		       (unsigned long long)pa, (unsigned long long)(end - 1),
		       kind);
	vds_str_append(&lines->text, "", 1);
}

/*
 * What lies between ranges, and behind the last up to the stream's end, too;
 * neighbours of one kind are one line.
 */
static void add_ranges(struct vds_run *run, const struct vds_image *image,
		       struct vds_value *v)
{
	/* A constant byte is what acquisition saw, in short. */
	static const char *const kinds[] = {"data", "zero", "unreadable",
					    "data"};
	uint64_t bytes[4] = {0}, pos = 0, absent = 0, from;
	struct lines lines = {0};
	size_t count;
	const struct vds_range *ranges = vds_image_ranges(image, &count);
	for (size_t i = 0; i < count; i++) {
		const struct vds_range *r = &ranges[i];
		bytes[r->kind] += r->len;
		absent += r->pa - pos;
		add_run(&lines, pos, r->pa, "absent");
		from = r->pa;
		pos = r->pa + r->len;
		while (i + 1 < count && ranges[i + 1].pa == pos &&
		       kinds[ranges[i + 1].kind] == kinds[r->kind]) {
			i++;
			bytes[ranges[i].kind] += ranges[i].len;
			pos += ranges[i].len;
		}
		add_run(&lines, from, pos, kinds[r->kind]);
	}
	uint64_t size = VDS_MAX(vds_image_stream_size(image), pos);
	absent += size - pos;
	add_run(&lines, pos, size, "absent");
	v[I_ABSENT] = vds_size(absent);
	v[I_DATA] = vds_size(bytes[VDS_RANGE_DATA] +
			     bytes[VDS_RANGE_CONSTANT]);
	v[I_ZERO] = vds_size(bytes[VDS_RANGE_ZERO]);
	v[I_UNREADABLE] = vds_size(bytes[VDS_RANGE_UNREADABLE]);
	v[I_END] = vds_addr(vds_image_end(image));
	v[I_RUNS] = take(run, &lines);
}

/* What neighbours leave no gap between is one line. */
static void add_blocks(struct vds_run *run, const struct vds_image *image,
		       struct vds_value *v)
{
	struct lines lines = {0};
	uint64_t bytes = 0;
	size_t count, modules;
	const struct vds_virtual_block *blocks =
		vds_image_virtual_blocks(image, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t from = blocks[i].va, end = from + blocks[i].len;
		for (; i + 1 < count && blocks[i + 1].va == end; i++)
			end += blocks[i + 1].len;
		bytes += end - from;
		if (!room(&lines))
			continue;
		vds_str_printf(&lines.text, "0x%016llx-0x%016llx",
			       (unsigned long long)from,
			       (unsigned long long)(end - 1));
		vds_str_append(&lines.text, "", 1);
	}
	vds_image_modules(image, &modules);
	if (!count)
		return;
	v[I_VIRTUAL] = vds_size(bytes);
	v[I_BLOCKS] = take(run, &lines);
	v[I_MODULES] = vds_int((int64_t)modules);
}

/* What the header of a crash dump says of the machine and its end. */
static void add_header(struct vds_run *run, const struct vds_image *image,
		       struct vds_value *v)
{
	const struct vds_image_hints *hints = vds_image_hints(image);
	struct lines lines = {0};
	if (hints->machine)
		v[I_MACHINE] = vds_str(hints->machine == 0x8664 ? "x64" :
				       hints->machine == 0x14c ? "x86" :
				       hints->machine == 0xaa64 ? "arm64" :
				       "other");
	v[C_TIME] = vds_time(hints->system_time);
	if (hints->uptime && hints->uptime < hints->system_time)
		v[C_BOOT_TIME] = vds_time(hints->system_time - hints->uptime);
	if (!hints->has_bugcheck)
		return;
	v[C_BUGCHECK] = vds_hex(hints->bugcheck);
	for (size_t i = 0; i < 4; i++) {
		vds_str_printf(&lines.text, "0x%016llx",
			       (unsigned long long)hints->bugcheck_parameters[i]);
		vds_str_append(&lines.text, "", 1);
	}
	v[C_PARAMETERS] = take(run, &lines);
}

static void add_image(struct vds_run *run, const struct vds_image *image,
		      struct vds_value *v)
{
	const char *dialect = vds_image_dialect(image);
	struct lines lines = {0};
	size_t count;
	const struct vds_image_meta *meta = vds_image_metadata(image, &count);
	v[I_PATH] = vds_str(vds_image_path(image));
	v[I_SIZE] = vds_size(vds_image_file_size(image));
	v[I_FORMAT] = vds_str(vds_image_format_name(image));
	v[I_DIALECT] = vds_str(dialect && *dialect ? dialect : NULL);
	for (size_t i = 0; i < count; i++) {
		if (!room(&lines))
			break;
		vds_str_printf(&lines.text, "%s=%s", meta[i].key,
			       meta[i].value);
		vds_str_append(&lines.text, "", 1);
	}
	v[I_METADATA] = take(run, &lines);
	add_ranges(run, image, v);
	add_blocks(run, image, v);
	add_header(run, image, v);
}

static void add_kuser(const struct vds_kuser *kuser, struct vds_value *v)
{
	static const char *const products[] = {
		NULL, "workstation", "domain controller", "server"};
	const uint64_t system = kuser->system_time;
	if (kuser->why) {
		v[I_SYSTEM_TIME] = v[I_BOOT_TIME] = v[K_ROOT] = v[K_PAGES] =
			v[K_PRODUCT] = vds_absent(kuser->why);
		return;
	}
	v[I_SYSTEM_TIME] = vds_time(system);
	if (kuser->interrupt_time && kuser->interrupt_time < system)
		v[I_BOOT_TIME] = vds_time(system - kuser->interrupt_time);
	v[K_ROOT] = vds_str(kuser->system_root);
	v[K_PAGES] = vds_int((int64_t)kuser->physical_pages);
	if (kuser->product_type < VDS_ARRAY_SIZE(products))
		v[K_PRODUCT] = vds_str(products[kuser->product_type]);
}

static void add_candidates(struct vds_run *run, const struct vds_kernel *kernel,
			   struct vds_value *v)
{
	struct lines lines = {0};
	for (size_t i = 0; i < kernel->num_candidates; i++) {
		const struct vds_dtb_candidate *c = &kernel->candidates[i];
		if (!room(&lines))
			break;
		vds_str_printf(&lines.text, "0x%llx %s %u-level %u/4: %s",
			       (unsigned long long)c->dtb,
			       vds_dtb_method_str(c->method), c->levels,
			       c->score, c->verdict ? c->verdict : "");
		vds_str_append(&lines.text, "", 1);
	}
	v[K_CANDIDATES] = take(run, &lines);
}

static struct vds_value count_or_none(uint64_t n)
{
	return n ? vds_int((int64_t)n) : vds_absent(VDS_NOT_APPLICABLE);
}

static struct vds_value known(uint64_t va)
{
	return va ? vds_addr(va) : vds_absent(VDS_NOT_IN_IMAGE);
}

static void add_crash(const struct vds_kernel *kernel, struct vds_value *v)
{
	const struct vds_crash *crash = &kernel->crash;
	v[C_PRCB] = known(crash->prcb);
	v[C_THREAD] = known(crash->thread);
	v[C_PROCESS] = known(crash->process);
	if (crash->thread)
		v[C_TID] = vds_int((int64_t)(crash->tid & INT64_MAX));
	for (size_t i = 0; i < kernel->num_processes; i++) {
		const struct vds_process *p = &kernel->processes[i];
		if (p->eprocess != crash->process)
			continue;
		v[C_PID] = vds_int(p->pid);
		v[C_NAME] = vds_or(p->name_why, vds_str(p->name));
	}
}

static void add_kernel(struct vds_run *run, const struct vds_kernel *kernel,
		       struct vds_value *v)
{
	add_candidates(run, kernel, v);
	if (!kernel->base)
		return;
	v[K_METHOD] = vds_str(vds_dtb_method_str(kernel->dtb_method));
	v[K_BASE_METHOD] = vds_str(kernel->base_how);
	if (vds_kernel_is_virtual(kernel)) {
		v[K_DTB] = v[K_LEVELS] = vds_absent(VDS_NOT_APPLICABLE);
		add_crash(kernel, v);
	} else {
		v[K_DTB] = vds_addr(kernel->space.dtb);
		v[K_LEVELS] = vds_int(kernel->space.levels);
	}
	v[K_BASE] = vds_addr(kernel->base);
	v[K_SIZE] = vds_size(kernel->size);
	v[K_BUILD] = count_or_none(kernel->build);
	v[K_REVISION] = count_or_none(kernel->revision);
	v[K_LAB] = vds_str(kernel->build_lab);
	v[K_PDB_NAME] = vds_str(kernel->pdb.name);
	v[K_PDB_GUID] = vds_str(kernel->pdb.guid);
	v[K_PDB_AGE] = vds_int(kernel->pdb.age);
	v[K_PDB_METHOD] = vds_str(kernel->pdb_how);
	add_kuser(&kernel->kuser, v);
	if (!kernel->profile)
		return;
	v[K_PROCESSES] = vds_int((int64_t)kernel->num_processes);
	if (kernel->system_process)
		v[K_SYSTEM_PROCESS] = vds_addr(kernel->system_process);
	if (kernel->process_head)
		v[K_PROCESS_HEAD] = vds_addr(kernel->process_head);
}

static void add_profile(struct vds_run *run, const struct vds_kernel *kernel,
			struct vds_value *v)
{
	const struct vds_profile *profile = kernel->profile;
	struct lines lines = {0};
	if (!profile)
		return;
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	v[P_PATH] = vds_str(vds_profile_path(profile));
	v[P_SHA256] = vds_str(vds_profile_sha256(profile));
	v[P_MATCH] = vds_str(kernel->profile_exact ? "exact" : "build");
	v[P_CONFIDENCE] = vds_str(id->confidence == VDS_PROFILE_SYMBOLS ?
					  "symbols" : "published");
	v[P_BUILD] = count_or_none(id->build);
	for (size_t i = 0; i < kernel->num_inferences; i++) {
		const struct vds_inference *f = &kernel->inferences[i];
		if (!room(&lines))
			break;
		vds_str_printf(&lines.text, "%s 0x%llx: %s; checked: %s",
			       f->what, (unsigned long long)f->value, f->how,
			       f->check);
		vds_str_append(&lines.text, "", 1);
	}
	v[P_INFERENCES] = take(run, &lines);
}

static struct vds_error *run_info(struct vds_run *run,
				  const struct vds_process *process)
{
	const struct vds_kernel *kernel = run->session->kernel;
	struct vds_value v[NUM_COLUMNS] = {0};
	(void)process;
	add_image(run, kernel->image, v);
	add_kernel(run, kernel, v);
	add_profile(run, kernel, v);
	return vds_emit(run, v);
}

const struct vds_plugin vds_plugin_info = {
	VDS_PLUGIN_HEADER(info),
	.flags = VDS_PLUGIN_VERTICAL | VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.0.0",
	.summary = "the image, its kernel and the profile in use",
	.record = "image",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.run = run_info,
};
