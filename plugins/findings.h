/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the findings plugin share. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/rule.h>
#include <vadose/sharing.h>
#include <vadose/table.h>

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
	const char *which;	/* of several cases of one rule, or NULL */
	char evidence[MAX_EVIDENCE][VDS_RECORD_ID_SIZE];
	size_t num_evidence;
};

/* Who a process runs as, and where its threads began. */
struct who {
	const char *user;	/* SID as text; see user_why */
	enum vds_why user_why;
	uint32_t level;		/* integrity: 0x1000 low, 0x2000 medium, ... */
	enum vds_why level_why;
	const char *container;	/* AppContainer's SID; NULL = none or unknown */
	enum vds_why container_why;
	bool container_known;	/* there is none, or we know which */
	uint32_t side;		/* alike: no boundary lies between them */
	bool cloned;		/* EPROCESS.CloneRoot: it took part in a fork */
	const uint64_t *starts;	/* start addresses of threads, none is 0 */
	size_t num_starts;
};

/* An image, and the data section of the same file if the two contradict. */
struct twin {
	uint64_t image;		/* control area */
	const struct vds_section *data;
};

/* Nodes of VADs. */
struct nodes {
	uint64_t *list;
	size_t count, cap;
};

/* Which VADs of a process some rule has to look at, in the tree's order. */
struct facts {
	struct nodes code;	/* private memory that may be executed */
	struct nodes images;
	/* Not mapped to be executed, and can be by now; sorted by address. */
	struct nodes changed;
};

/* What all rules look at. Immutable while they run. */
struct scene {
	const struct vds_rules *rules;
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	struct facts *facts;	/* by index in the process table */
	const struct who *who;	/* likewise */
	const struct twin *twins;	/* by control area */
	size_t num_twins;
	struct frame_search *frames;	/* what find_same_frames() is about */
};

/* Begins a finding of the rule; false if the rule is switched off. */
bool finding_init(struct finding *f, const struct scene *scene,
		  const char *rule);
/* Adds the rule's parameter, if it isn't 0, and says why. */
void finding_add(struct finding *f, const char *param, const char *text);
/* Adds `thread_start` if a thread of @process began in [start, end]. */
void finding_threads(struct finding *f, const struct scene *scene,
		     const struct vds_process *process, uint64_t start,
		     uint64_t end);
/* Evidence: the row of sharedmem about @view, or of pslist about a process. */
void finding_view(struct finding *f, struct vds_run *run,
		  const struct vds_view *view);
void finding_process(struct finding *f, struct vds_run *run,
		     const struct vds_process *process);
void finding_vad(struct finding *f, struct vds_run *run,
		 const struct vds_process *process, const struct vds_vad *vad);
/* Evidence: the row of ldrmodules about an image that no list has. */
void finding_module(struct finding *f, struct vds_run *run,
		    const struct vds_process *process,
		    const struct vds_vad *vad);
/* Evidence: the row of modified about the change whose first byte is @va. */
void finding_change(struct finding *f, struct vds_run *run,
		    const struct vds_process *process,
		    const struct vds_vad *vad, uint64_t va, const char *kind);
/* Evidence: the row of malfind about a private region. */
void finding_region(struct finding *f, struct vds_run *run,
		    const struct vds_process *process,
		    const struct vds_vad *vad);
struct vds_error *finding_emit(struct finding *f, struct vds_run *run,
			       const struct scene *scene);

/*
 * Builds scene->sharing, and scene->facts while the VADs are walked for it: a
 * second walk would cost as much again.
 */
struct vds_error *facts_gather(struct vds_run *run, struct scene *scene);
/* Can what the VAD at @node maps be executed since some time after? */
bool was_made_executable(const struct facts *facts, uint64_t node);

/* Reads all tokens and lists of threads. */
struct vds_error *who_load(struct vds_run *run, const struct who **ret);
/* True if both are known and differ. */
bool other_user(const struct who *a, const struct who *b);
bool other_integrity(const struct who *a, const struct who *b);
bool other_container(const struct who *a, const struct who *b);
/* One is untrusted or of low integrity, the other of that of the system. */
bool is_low_beside_system(const struct who *a, const struct who *b);
/* Did a thread begin in [start, end]? */
bool thread_began_in(const struct who *who, uint64_t start, uint64_t end);

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

static inline uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* Rules about sections: once per group of views. */
struct vds_error *find_in_group(struct vds_run *run, const struct scene *scene,
				size_t group);
/* Rules about the private memory of a process, and about the process itself. */
struct vds_error *find_in_process(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *process);
/* Fills scene->twins. */
struct vds_error *find_twins(struct vds_run *run, struct scene *scene);
struct vds_error *find_in_images(struct vds_run *run,
				 const struct scene *scene,
				 const struct vds_process *process);
/* Rules about a section as a whole: each that any source knows. */
struct vds_error *find_in_section(struct vds_run *run,
				  const struct scene *scene, size_t index);
/*
 * One process's part of the search for frames that memory of no section shares:
 * for whoever walks its VADs, since a look at each page table is dear.
 */
struct frame_walk {
	struct vds_run *run;
	const struct frame_search *search;
	const struct vds_process *process;
	const struct vds_vad *vad;
	struct frames *frames;
	bool idle;	/* none of the process's are asked for */
	bool nomem;
};

/* Sets scene->frames. */
struct vds_error *frame_search_begin(struct vds_run *run, struct scene *scene);
void frame_walk_init(struct frame_walk *walk, struct vds_run *run,
		     const struct scene *scene,
		     const struct vds_process *process);
/* Is each entry of the VAD's page tables to be given to frame_walk_visit()? */
bool frame_walk_enter(struct frame_walk *walk, const struct vds_vad *vad);
/* False: no more of them. */
bool frame_walk_visit(struct frame_walk *walk,
		      const struct vds_table_entry *entry);
/* After the last VAD. */
struct vds_error *frame_walk_finish(struct frame_walk *walk);
/* Rules that look at all processes at once. */
struct vds_error *find_same_frames(struct vds_run *run,
				   const struct scene *scene);

#endif
