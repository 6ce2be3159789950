/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings: contradictions and constellations that deserve a look. Rules are
 * data (findings.yaml); weights add, and each row prints why. A row is a place
 * to look at, never a verdict.
 */
#include "findings.h"

#include <string.h>

#include <vadose/columns.h>

enum {
	COL_RULE,
	COL_SEVERITY,
	COL_SCORE,
	COL_PID,
	COL_PROCESS,
	COL_MESSAGE,
	COL_WHY,
	COL_RULE_NAME,
	COL_RULE_VERSION,
	COL_CONFIDENCE,
	COL_TACTIC,
	COL_TECHNIQUE,
	COL_BENIGN,
	COL_EVIDENCE,
	COL_EPROCESS,
	COL_NODE,
	COL_START,
	COL_END,
	COL_PROTECTION,
	COL_CA,
	COL_FILE,
	COL_NAME,
	COL_CASE,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_RULE] = {"rule.id", VDS_KIND_STR, KEY, "Rule", NULL, "id of the rule", "rule.id"},
	[COL_SEVERITY] = {"severity", VDS_KIND_STR, 0, "Severity", NULL, "info, low, medium, high, critical", NULL},
	[COL_SCORE] = {"score", VDS_KIND_INT, 0, "Score", "points", "the rule's weight and what adds to it", NULL},
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process that it is about", "process.pid"},
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_MESSAGE] = {"message", VDS_KIND_STR, 0, "What", NULL, "one line for a person", "message"},
	[COL_WHY] = {"why", VDS_KIND_STRS, 0, "Why", NULL, "the weights that add up to the score", NULL},
	[COL_RULE_NAME] = {"rule.name", VDS_KIND_STR, WIDE, "Rule name", NULL, "what the rule says", "rule.name"},
	[COL_RULE_VERSION] = {"rule.version", VDS_KIND_STR, WIDE, "Version", NULL, "version of the rule", "rule.version"},
	[COL_CONFIDENCE] = {"confidence", VDS_KIND_STR, WIDE, "Confidence", NULL, "how rarely the rule is wrong", NULL},
	[COL_TACTIC] = {"attack.tactic", VDS_KIND_STR, WIDE, "Tactic", NULL, "ATT&CK tactic", "threat.tactic.name"},
	[COL_TECHNIQUE] = {"attack.technique", VDS_KIND_STR, WIDE, "Technique", NULL, "ATT&CK technique", "threat.technique.id"},
	[COL_BENIGN] = {"benign", VDS_KIND_STR, WIDE, "Harmless if", NULL, "the commonest harmless explanation", NULL},
	[COL_EVIDENCE] = {"evidence", VDS_KIND_STRS, WIDE, "Evidence", NULL, "ids of the records that it rests on", NULL},
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_NODE] = VDS_COL_VAD_NODE(KEY | WIDE),
	[COL_START] = VDS_COL_VAD_START(0),
	[COL_END] = VDS_COL_VAD_END(WIDE),
	[COL_PROTECTION] = VDS_COL_VAD_PROTECTION(WIDE),
	[COL_CA] = VDS_COL_CONTROL_AREA(KEY | WIDE),
	[COL_FILE] = VDS_COL_SECTION_FILE(WIDE),
	[COL_NAME] = {"section.name", VDS_KIND_STR, WIDE, "Section name", NULL, "name of the section object", NULL},
	[COL_CASE] = {"rule.case", VDS_KIND_STR, KEY | WIDE, "Case", NULL, "same-frame: what explains it: kuser, combined, clone, section, mdl, device, awe, large, rotate; unexplained", NULL},
};

static const struct vds_option options[] = {
	{"rules", VDS_OPTION_STR, 0, "FILE", NULL, NULL, "a YAML file that overlays the built-in rules"},
	{"min-severity", VDS_OPTION_ENUM, 0, NULL, "low", "info|low|medium|high|critical", "leave out what weighs less"},
};

bool finding_init(struct finding *f, const struct scene *scene,
		  const char *rule)
{
	const struct vds_rule *r = vds_rule_find(scene->rules, rule);
	if (!r || !r->enabled)
		return false;
	*f = (struct finding){.rule = r, .score = r->score};
	return true;
}

void finding_add(struct finding *f, const char *param, const char *text)
{
	int64_t points = vds_rule_param(f->rule, param);
	if (!points || f->num_reasons == MAX_REASONS)
		return;
	f->score += points;
	f->reasons[f->num_reasons].points = points;
	f->reasons[f->num_reasons++].text = text;
}

void finding_threads(struct finding *f, const struct scene *scene,
		     const struct vds_process *process, uint64_t start,
		     uint64_t end)
{
	if (process && thread_began_in(&scene->who[process->index], start, end))
		finding_add(f, "thread_start", "a thread began there");
}

static void add_evidence(struct finding *f, struct vds_run *run,
			 const char *record, const struct vds_value *keys,
			 size_t n)
{
	if (f->num_evidence < MAX_EVIDENCE)
		vds_record_id(run, record, keys, n,
			      f->evidence[f->num_evidence++]);
}

void finding_view(struct finding *f, struct vds_run *run,
		  const struct vds_view *view)
{
	const struct vds_process *p = vds_process_at(run, view->process);
	bool known = view->section && !view->section->why;
	/* The key columns of sharedmem, in its order. */
	const struct vds_value keys[] = {
		vds_addr(known ? view->section->control_area :
				 view->first_prototype_pte),
		vds_addr(view->node),
		vds_addr(p ? p->eprocess : view->eprocess),
	};
	add_evidence(f, run, "sharedmem_view", keys, 3);
}

void finding_process(struct finding *f, struct vds_run *run,
		     const struct vds_process *process)
{
	/* The key columns of pslist, in its order. */
	const struct vds_value keys[] = {vds_int(process->pid),
					 vds_addr(process->eprocess),
					 vds_time(process->create_time)};
	add_evidence(f, run, "process", keys, 3);
}

void finding_vad(struct finding *f, struct vds_run *run,
		 const struct vds_process *process, const struct vds_vad *vad)
{
	/* The key columns of vadinfo, in its order. */
	const struct vds_value keys[] = {vds_int(process->pid),
					 vds_addr(process->eprocess),
					 vds_addr(vad->node),
					 vds_addr(vad->start)};
	add_evidence(f, run, "vad", keys, 4);
}

void finding_module(struct finding *f, struct vds_run *run,
		    const struct vds_process *process,
		    const struct vds_vad *vad)
{
	/* The key columns of ldrmodules: without an entry in any list. */
	const struct vds_value keys[] = {vds_addr(process->eprocess),
					 vds_addr(vad->start),
					 vds_addr(vad->node),
					 vds_absent(VDS_NOT_APPLICABLE)};
	add_evidence(f, run, "ldr_module", keys, 4);
}

void finding_change(struct finding *f, struct vds_run *run,
		    const struct vds_process *process,
		    const struct vds_vad *vad, uint64_t va, const char *kind)
{
	/* The key columns of modified. */
	const struct vds_value keys[] = {vds_addr(process->eprocess),
					 vds_addr(va), vds_str(kind),
					 vds_addr(vad->node)};
	add_evidence(f, run, "modified_bytes", keys, 4);
}

void finding_region(struct finding *f, struct vds_run *run,
		    const struct vds_process *process,
		    const struct vds_vad *vad)
{
	/* The key columns of malfind. */
	const struct vds_value keys[] = {vds_addr(process->eprocess),
					 vds_addr(vad->node)};
	add_evidence(f, run, "region", keys, 2);
}

/* Strings of a list, each ended by NUL, in run's memory. */
static struct vds_value list_of(struct vds_run *run, const char *const *strings,
				size_t n)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += strlen(strings[i]) + 1;
	char *text = n ? vds_alloc(run, 1, len) : NULL;
	if (!text)
		return vds_absent(VDS_NOT_APPLICABLE);
	char *p = text;
	for (size_t i = 0; i < n; i++) {
		size_t size = strlen(strings[i]) + 1;
		memcpy(p, strings[i], size);
		p += size;
	}
	return (struct vds_value){.kind = VDS_KIND_STRS, .s = text,
				  .count = (uint32_t)len};
}

static struct vds_value why_of(struct vds_run *run, const struct finding *f)
{
	const char *lines[MAX_REASONS + 1];
	size_t n = 0;
	lines[n++] = vds_sprintf(run, "%+lld %s", (long long)f->rule->score,
				 f->rule->name);
	for (size_t i = 0; i < f->num_reasons; i++)
		lines[n++] = vds_sprintf(run, "%+lld %s",
					 (long long)f->reasons[i].points,
					 f->reasons[i].text);
	for (size_t i = 0; i < n; i++) {
		if (!lines[i])
			return vds_absent(VDS_NOT_APPLICABLE);
	}
	return list_of(run, lines, n);
}

static struct vds_value evidence_of(struct vds_run *run,
				    const struct finding *f)
{
	const char *ids[MAX_EVIDENCE];
	for (size_t i = 0; i < f->num_evidence; i++)
		ids[i] = f->evidence[i];
	return list_of(run, ids, f->num_evidence);
}

static void fill_place(const struct finding *f, const struct scene *scene,
		       struct vds_value *v)
{
	const struct vds_process *p = f->process;
	enum vds_why why;
	if (p) {
		v[COL_PID] = vds_int(p->pid);
		v[COL_PROCESS] = p->name ? vds_str(p->name) :
					   vds_absent(p->name_why);
		v[COL_EPROCESS] = vds_addr(p->eprocess);
	} else if (f->eprocess) {
		v[COL_EPROCESS] = vds_addr(f->eprocess);
	}
	if (f->view || f->vad) {
		uint32_t protection = f->view ? f->view->protection :
						f->vad->protection;
		v[COL_NODE] = vds_addr(f->view ? f->view->node : f->vad->node);
		v[COL_START] = vds_addr(f->view ? f->view->start :
						  f->vad->start);
		v[COL_END] = vds_addr(f->view ? f->view->end : f->vad->end);
		v[COL_PROTECTION] = vds_str(vds_protection_str(protection));
	}
	const struct vds_section *s = f->section;
	if (!s && f->view)
		s = f->view->section;
	if (!s || s->why)
		return;
	v[COL_CA] = vds_addr(s->control_area);
	v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
				     vds_absent(s->file_name_why);
	v[COL_NAME] = vds_str(vds_section_name(scene->names, s->control_area,
					       &why));
}

struct vds_error *finding_emit(struct finding *f, struct vds_run *run,
			       const struct scene *scene)
{
	static const char *const words[] = {"info", "low", "medium", "high",
					    "critical"};
	const char *wanted = vds_option_str(run, "min-severity");
	enum vds_severity severity = vds_rules_severity(scene->rules, f->score);
	struct vds_value v[NUM_COLS] = {0};
	size_t least = 0;
	while (least < 4 && strcmp(words[least], wanted))
		least++;
	if ((size_t)severity < least)
		return NULL;
	v[COL_RULE] = vds_str(f->rule->id);
	v[COL_RULE_NAME] = vds_str(f->rule->name);
	v[COL_RULE_VERSION] = vds_str(f->rule->version);
	v[COL_SEVERITY] = vds_str(vds_severity_str(severity));
	v[COL_SCORE] = vds_int(f->score);
	v[COL_CONFIDENCE] = vds_str(f->rule->confidence);
	v[COL_TACTIC] = vds_str(f->rule->tactic);
	v[COL_TECHNIQUE] = vds_str(f->rule->technique);
	v[COL_BENIGN] = vds_str(f->rule->benign);
	if (f->which)
		v[COL_CASE] = vds_str(f->which);
	v[COL_MESSAGE] = vds_str(f->message);
	v[COL_WHY] = why_of(run, f);
	v[COL_EVIDENCE] = evidence_of(run, f);
	fill_place(f, scene, v);
	return vds_emit(run, v);
}

bool same_program(const struct vds_process *a, const struct vds_process *b)
{
	if (!a->path || !b->path)
		return false;
	/* A path is no pattern here: brackets and stars are not in NT paths. */
	return strlen(a->path) == strlen(b->path) && vds_match(a->path, b->path);
}

bool other_session(const struct vds_process *a, const struct vds_process *b)
{
	return !a->session_why && !b->session_why && a->session != b->session;
}

static struct vds_error *look_at_group(struct vds_run *run, size_t index,
				       void *ctx)
{
	return find_in_group(run, ctx, index);
}

static struct vds_error *look_at_section(struct vds_run *run, size_t index,
					 void *ctx)
{
	return find_in_section(run, ctx, index);
}

static struct vds_error *look_at_process(struct vds_run *run, size_t index,
					 void *ctx)
{
	const struct vds_process *process = vds_process_at(run, index);
	if (!process)
		return &vds_enomem;
	if (!process->selected)
		return NULL;
	struct vds_error *err = find_in_process(run, ctx, process);
	return err ? err : find_in_images(run, ctx, process);
}

static struct vds_error *run_findings(struct vds_run *run,
				      const struct vds_process *process)
{
	struct scene scene = {0};
	(void)process;
	struct vds_error *err = vds_rules_load(
		run, vds_option_str(run, "rules"), &scene.rules);
	if (!err)
		err = vds_section_names_load(run, &scene.names);
	if (!err)
		err = frame_search_begin(run, &scene);
	if (!err)
		err = facts_gather(run, &scene);
	if (!err)
		err = who_load(run, &scene.who);
	if (!err)
		err = find_twins(run, &scene);
	if (!err)
		err = vds_parallel(run, scene.sharing->num_groups,
				   look_at_group, &scene);
	if (!err)
		err = vds_parallel(run, scene.sharing->num_sections,
				   look_at_section, &scene);
	if (!err)
		err = vds_parallel(run, vds_num_processes(run),
				   look_at_process, &scene);
	if (!err)
		err = find_same_frames(run, &scene);
	return err;
}

VDS_PLUGIN(findings) = {
	VDS_PLUGIN_HEADER(findings),
	.version = "1.0.0",
	.summary = "contradictions that deserve a look, with their reasons",
	.record = "finding",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_findings,
};
