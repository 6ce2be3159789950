/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the findings plugin share. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/rule.h>
#include <vadose/sharing.h>

#define MAX_REASONS 8
#define MAX_EVIDENCE 8

/* A finding under construction: what adds to its score, and why. */
struct finding {
	const struct vds_rule *rule;
	int64_t score;
	struct {
		int64_t points;
		const char *text;	/* "another session" */
	} reasons[MAX_REASONS];
	size_t num_reasons;
	/* What it is about; each may be absent. */
	const struct vds_process *process;
	const struct vds_view *view;
	const struct vds_vad *vad;
	const struct vds_section *section;
	uint64_t eprocess;	/* without `process` */
	const char *message;
	char evidence[MAX_EVIDENCE][VDS_RECORD_ID_SIZE];
	size_t num_evidence;
};

/* The data section of a file: the first view of @group leads to it. */
struct data_section {
	uint64_t file;	/* vds_section.file_identity */
	size_t group;
};

/* What all rules look at. Immutable while they run. */
struct scene {
	const struct vds_rules *rules;
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	const struct data_section *data;	/* in order of `file` */
	size_t num_data;
};

/* Begins a finding of the rule; false if the rule is switched off. */
bool finding_init(struct finding *f, const struct scene *scene,
		  const char *rule);
/* Adds the rule's parameter, if it isn't 0, and says why. */
void finding_add(struct finding *f, const char *param, const char *text);
/* Evidence: the row of sharedmem about @view, or of pslist about a process. */
void finding_view(struct finding *f, struct vds_run *run,
		  const struct vds_view *view);
void finding_process(struct finding *f, struct vds_run *run,
		     const struct vds_process *process);
void finding_vad(struct finding *f, struct vds_run *run,
		 const struct vds_process *process, const struct vds_vad *vad);
struct vds_error *finding_emit(struct finding *f, struct vds_run *run,
			       const struct scene *scene);

/* True if both processes run the same program (path, case-insensitive). */
bool same_program(const struct vds_process *a, const struct vds_process *b);
/* True if both sessions are known and differ. */
bool other_session(const struct vds_process *a, const struct vds_process *b);

/* Little-endian loads of what a page of an image holds. */
static inline unsigned int le16(const uint8_t *p)
{
	return p[0] | (unsigned int)p[1] << 8;
}

static inline uint32_t le32(const uint8_t *p)
{
	return le16(p) | (uint32_t)le16(p + 2) << 16;
}

/* Fills scene->data. */
struct vds_error *find_data_sections(struct vds_run *run, struct scene *scene);
/* Rules about sections: once per group of views. */
struct vds_error *find_in_group(struct vds_run *run, const struct scene *scene,
				size_t group);
/* Rules about what a process maps, and about the process itself. */
struct vds_error *find_in_process(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *process);
struct vds_error *find_in_images(struct vds_run *run,
				 const struct scene *scene,
				 const struct vds_process *process);
/* Rules that look at all processes at once. */
struct vds_error *find_same_frames(struct vds_run *run,
				   const struct scene *scene);

#endif
