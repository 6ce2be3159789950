/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about processes and their private memory. */
#include <string.h>

#include <vadose/table.h>

#include "findings.h"

static struct vds_error *hidden(struct vds_run *run, const struct scene *scene,
				const struct vds_process *p)
{
	const uint32_t lists = VDS_SOURCE_ACTIVE_LINKS |
			       VDS_SOURCE_ACTIVE_BLINKS | VDS_SOURCE_INITIAL;
	uint32_t others = p->sources & ~lists;
	struct finding f;
	if (p->sources & lists || p->exited || !others ||
	    p->kind == VDS_PROCESS_IDLE ||
	    !finding_init(&f, scene, "hidden-process"))
		return NULL;
	finding_process(&f, run, p);
	/* More than one bit: sources that don't depend on each other. */
	if (others & (others - 1))
		finding_add(&f, "two_sources", "two other sources have it");
	f.process = p;
	f.message = "the process lives, and is not in the list of processes";
	return finding_emit(&f, run, scene);
}

static const struct vds_process *parent_of(struct vds_run *run,
					   const struct vds_process *p)
{
	for (size_t i = vds_process_from_pid(run, p->ppid);; i++) {
		const struct vds_process *q = vds_process_at(run, i);
		if (!q || q->pid != p->ppid)
			return NULL;
		if (q->eprocess != p->eprocess)
			return q;
	}
}

/*
 * A fork: EPROCESS.CloneRoot is set in both, and the child runs its parent's
 * program. (RtlCreateProcessReflection, PssCaptureSnapshot.)
 */
static struct vds_error *clone(struct vds_run *run, const struct scene *scene,
			       const struct vds_process *p)
{
	const struct vds_process *parent;
	struct finding f;
	if (!scene->who[p->index].cloned || !(parent = parent_of(run, p)) ||
	    !same_program(p, parent) ||
	    !finding_init(&f, scene, "process-clone"))
		return NULL;
	finding_process(&f, run, p);
	finding_process(&f, run, parent);
	if (p->path && vds_match("*\\Windows\\System32\\lsass.exe", p->path))
		finding_add(&f, "lsass", "it is lsass that was cloned");
	f.process = p;
	f.message = vds_sprintf(run, "a clone of PID %u, made by a fork",
				parent->pid);
	return finding_emit(&f, run, scene);
}

/* What the first page of a region holds of a program. */
enum pe_trace { PE_NONE, PE_WHOLE, PE_WIPED };

static bool is_pe_at(const uint8_t *page, size_t at)
{
	if (at + 6 > 4096 || memcmp(page + at, "PE\0\0", 4))
		return false;
	unsigned int machine = le16(page + at + 4);
	return machine == 0x8664 || machine == 0x14c || machine == 0xaa64;
}

static enum pe_trace pe_trace(const uint8_t *page)
{
	size_t at = le16(page + 0x3c);
	if (page[0] == 'M' && page[1] == 'Z' && is_pe_at(page, at))
		return PE_WHOLE;
	/* Who wipes the DOS header often leaves the rest. */
	for (at = 0x40; at < 0x400; at += 8) {
		if (is_pe_at(page, at))
			return PE_WIPED;
	}
	return PE_NONE;
}

/* PEB.ImageBaseAddress, 0 if it can't be had. */
static uint64_t peb_image_base(struct vds_run *run, const struct vds_process *p)
{
	struct vds_member_info m;
	uint8_t raw[8];
	if (!p->peb ||
	    !vds_type_member_find(vds_type_find(run, "_PEB"),
				  "ImageBaseAddress", &m) ||
	    vds_process_read(p, p->peb + m.offset, raw, sizeof(raw)))
		return 0;
	return le64(raw);
}

/* What the pages of private memory, which may be executed, hold. */
struct region {
	const struct vds_process *process;
	const struct vds_vad *vad;
	uint64_t program;	/* where a program's headers are */
	enum pe_trace trace;	/* of that */
};

static bool look_at_page(void *ctx, const struct vds_table_entry *e)
{
	struct region *r = ctx;
	uint8_t page[4096];
	/* Only the first page is looked at for what is left of one. */
	bool first = e->va == r->vad->start;
	if (e->why || !e->resident ||
	    vds_process_read(r->process, e->va, page, first ? 4096 : 2) ||
	    (!first && memcmp(page, "MZ", 2)) ||
	    (!first && vds_process_read(r->process, e->va, page, 4096)))
		return true;
	enum pe_trace trace = pe_trace(page);
	if (trace == PE_NONE || (!first && trace == PE_WIPED))
		return true;
	r->trace = trace;
	r->program = e->va;
	return false;
}

/* Private memory that may be executed. */
static struct vds_error *private_code(struct vds_run *run,
				      const struct scene *scene,
				      const struct vds_process *p,
				      const struct vds_vad *vad)
{
	struct region r = {.process = p, .vad = vad};
	struct finding f;
	vds_tables_walk(p, vad->start, vad->end, look_at_page, &r);
	bool program = r.trace != PE_NONE;
	if ((!program && !thread_began_in(&scene->who[p->index], vad->start,
					  vad->end)) ||
	    !finding_init(&f, scene, program ? "private-executable-pe" :
					       "thread-in-private-memory"))
		return NULL;
	finding_vad(&f, run, p, vad);
	/* malfind looks for pages that may be executed in the first 512. */
	if (vds_protection_executable(vad->protection))
		finding_region(&f, run, p, vad);
	if (program && peb_image_base(run, p) == r.program)
		finding_add(&f, "image_base",
			    "the PEB names it as the process's image");
	if (r.trace == PE_WIPED)
		finding_add(&f, "wiped_header", "its DOS header is wiped");
	if (vds_rule_excepts(f.rule, p->path))
		finding_add(&f, "excepted", "the rule excepts this program");
	finding_threads(&f, scene, p, vad->start, vad->end);
	f.process = p;
	f.vad = vad;
	f.message = program ?
		vds_sprintf(run, "private executable memory holds a program at 0x%llx",
			    (unsigned long long)r.program) :
		"a thread began in private executable memory";
	return finding_emit(&f, run, scene);
}

struct vds_error *find_in_process(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *p)
{
	const struct nodes *code = &scene->facts[p->index].code;
	struct vds_error *err = hidden(run, scene, p);
	if (!err)
		err = clone(run, scene, p);
	if (err || !code->count)
		return err;
	struct vds_vad_iter *it = vds_vads_again(p, code->list, code->count);
	const struct vds_vad *vad;
	while (!err && (vad = vds_vad_next(it)))
		err = private_code(run, scene, p, vad);
	return err;
}
