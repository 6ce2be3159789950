/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small document of two levels, read by libyaml's events; anchors, aliases
 * and sequences are refused, so depth and size are bounded by the file's.
 */
#include "analysis/rules.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"
#include "base/util.h"

#define MAX_RULES 256
#define MAX_PARAMS 16

struct param {
	const char *name;
	int64_t value;
};

struct rule {
	struct vds_rule public;	/* first: handed out */
	struct param params[MAX_PARAMS];
	size_t num_params;
};

struct vds_rules {
	struct vds_arena *arena;
	struct rule *rules[MAX_RULES];
	size_t count;
	int64_t least[VDS_SEVERITY_CRITICAL + 1];	/* score of a severity */
};

static const char *const severities[] = {"info", "low", "medium", "high",
					 "critical"};

const char *vds_severity_str(enum vds_severity severity)
{
	return (size_t)severity < VDS_ARRAY_SIZE(severities) ?
		       severities[severity] : "info";
}

struct vds_rules *vds_rules_create(struct vds_arena *arena)
{
	struct vds_rules *rules = vds_arena_calloc(arena, 1, sizeof(*rules));
	if (rules)
		rules->arena = arena;
	return rules;
}

const struct vds_rule *vds_rule_find(const struct vds_rules *rules,
				     const char *id)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (!strcmp(rules->rules[i]->public.id, id))
			return &rules->rules[i]->public;
	}
	return NULL;
}

int64_t vds_rule_param(const struct vds_rule *rule, const char *name)
{
	const struct rule *r = (const struct rule *)rule;
	for (size_t i = 0; i < r->num_params; i++) {
		if (!strcmp(r->params[i].name, name))
			return r->params[i].value;
	}
	return 0;
}

bool vds_rule_excepts(const struct vds_rule *rule, const char *path)
{
	char glob[256];
	for (const char *s = rule->except; path && *s;) {
		size_t len = strcspn(s, "|");
		if (len < sizeof(glob)) {
			memcpy(glob, s, len);
			glob[len] = 0;
			if (vds_glob_match(glob, path))
				return true;
		}
		s += len + (s[len] == '|');
	}
	return false;
}

enum vds_severity vds_rules_severity(const struct vds_rules *rules,
				     int64_t score)
{
	enum vds_severity severity = VDS_SEVERITY_INFO;
	for (size_t i = 1; i < VDS_ARRAY_SIZE(rules->least); i++) {
		if (score >= rules->least[i])
			severity = (enum vds_severity)i;
	}
	return severity;
}

struct reader {
	struct vds_rules *rules;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	const char *name;
	bool overlay;
};

static struct vds_error *fault(const struct reader *r, const char *what,
			       const char *word)
{
	return vds_error_create(VDS_ERROR_USAGE, "%s:%zu:%zu: %s%s%s", r->name,
				r->event.start_mark.line + 1,
				r->event.start_mark.column + 1, what,
				word ? ": " : "", word ? word : "");
}

static struct vds_error *next(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = false;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return vds_error_create(VDS_ERROR_USAGE, "%s:%zu:%zu: %s",
					r->name, r->parser.problem_mark.line + 1,
					r->parser.problem_mark.column + 1,
					r->parser.problem ? r->parser.problem :
							    "not YAML");
	r->has_event = true;
	return NULL;
}

static struct vds_error *expect(struct reader *r, yaml_event_type_t type,
				const char *what)
{
	struct vds_error *err = next(r);
	if (!err && r->event.type != type)
		err = fault(r, "expected", what);
	return err;
}

/* A scalar's text, in the arena of the rules. */
static struct vds_error *text(struct reader *r, const char **ret)
{
	if (r->event.type != YAML_SCALAR_EVENT)
		return fault(r, "expected a plain value", NULL);
	if (r->event.data.scalar.anchor)
		return fault(r, "anchors are not allowed", NULL);
	*ret = vds_arena_strndup(r->rules->arena,
				 (const char *)r->event.data.scalar.value,
				 r->event.data.scalar.length);
	return *ret ? NULL : &vds_enomem;
}

static struct vds_error *number(struct reader *r, int64_t *ret)
{
	const char *s = "";
	char *end;
	struct vds_error *err = text(r, &s);
	if (err)
		return err;
	long v = strtol(s, &end, 10);
	if (!*s || *end || v < -1000 || v > 1000000)
		return fault(r, "not a whole number in range", s);
	*ret = v;
	return NULL;
}

typedef struct vds_error *entry_fn(struct reader *r, void *ctx,
				   const char *key);

/* Calls @entry for each key of the mapping that begins with this event. */
static struct vds_error *mapping(struct reader *r, entry_fn *entry, void *ctx)
{
	if (r->event.type != YAML_MAPPING_START_EVENT ||
	    r->event.data.mapping_start.anchor)
		return fault(r, "expected a mapping without an anchor", NULL);
	for (;;) {
		const char *key = "";
		struct vds_error *err = next(r);
		if (!err && r->event.type == YAML_MAPPING_END_EVENT)
			return NULL;
		if (!err)
			err = text(r, &key);
		if (!err)
			err = next(r);
		if (!err)
			err = entry(r, ctx, key);
		if (err)
			return err;
	}
}

static struct vds_error *read_param(struct reader *r, void *ctx,
				    const char *key)
{
	struct rule *rule = ctx;
	for (size_t i = 0; i < rule->num_params; i++) {
		if (!strcmp(rule->params[i].name, key))
			return number(r, &rule->params[i].value);
	}
	if (r->overlay)
		return fault(r, "the rule has no such parameter", key);
	if (rule->num_params == MAX_PARAMS)
		return fault(r, "too many parameters", NULL);
	struct param *param = &rule->params[rule->num_params++];
	param->name = key;
	return number(r, &param->value);
}

static struct vds_error *read_switch(struct reader *r, bool *ret)
{
	const char *s = "";
	struct vds_error *err = text(r, &s);
	if (err)
		return err;
	if (strcmp(s, "true") && strcmp(s, "false"))
		return fault(r, "neither true nor false", s);
	*ret = s[0] == 't';
	return NULL;
}

static struct vds_error *read_rule_key(struct reader *r, void *ctx,
				       const char *key)
{
	struct rule *rule = ctx;
	struct vds_rule *p = &rule->public;
	const struct {
		const char *key;
		const char **value;
	} texts[] = {
		{"name", &p->name}, {"version", &p->version},
		{"tactic", &p->tactic}, {"technique", &p->technique},
		{"confidence", &p->confidence}, {"benign", &p->benign},
		{"except", &p->except},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(texts); i++) {
		if (!strcmp(key, texts[i].key))
			return text(r, texts[i].value);
	}
	if (!strcmp(key, "score"))
		return number(r, &p->score);
	if (!strcmp(key, "enabled"))
		return read_switch(r, &p->enabled);
	if (!strcmp(key, "params"))
		return mapping(r, read_param, rule);
	return fault(r, "a rule has no such key", key);
}

static struct vds_error *read_rule(struct reader *r, void *ctx, const char *id)
{
	struct vds_rules *rules = r->rules;
	struct rule *rule = (struct rule *)vds_rule_find(rules, id);
	(void)ctx;
	if (!rule && r->overlay)
		return fault(r, "no such rule", id);
	if (!rule) {
		if (rules->count == MAX_RULES)
			return fault(r, "too many rules", NULL);
		rule = vds_arena_calloc(rules->arena, 1, sizeof(*rule));
		if (!rule)
			return &vds_enomem;
		rule->public = (struct vds_rule){
			.id = id, .name = "", .version = "", .tactic = "",
			.technique = "", .confidence = "", .benign = "", .except = "",
			.enabled = true,
		};
		rules->rules[rules->count++] = rule;
	}
	return mapping(r, read_rule_key, rule);
}

static struct vds_error *read_severity(struct reader *r, void *ctx,
				       const char *key)
{
	(void)ctx;
	for (size_t i = 1; i < VDS_ARRAY_SIZE(severities); i++) {
		if (!strcmp(key, severities[i]))
			return number(r, &r->rules->least[i]);
	}
	return fault(r, "no such severity", key);
}

static struct vds_error *read_top(struct reader *r, void *ctx, const char *key)
{
	const char *version = "";
	(void)ctx;
	if (!strcmp(key, "severities"))
		return mapping(r, read_severity, NULL);
	if (!strcmp(key, "rules"))
		return mapping(r, read_rule, NULL);
	if (strcmp(key, "vadose-rules"))
		return fault(r, "no such key", key);
	struct vds_error *err = text(r, &version);
	if (!err && strcmp(version, "1"))
		err = fault(r, "unknown version of the format", version);
	return err;
}

struct vds_error *vds_rules_parse(struct vds_rules *rules, const char *name,
				  const void *data, size_t len, bool overlay)
{
	struct reader r = {.rules = rules, .name = name, .overlay = overlay};
	if (!yaml_parser_initialize(&r.parser))
		return &vds_enomem;
	yaml_parser_set_input_string(&r.parser, data, len);
	struct vds_error *err = expect(&r, YAML_STREAM_START_EVENT, "YAML");
	if (!err)
		err = expect(&r, YAML_DOCUMENT_START_EVENT, "a document");
	if (!err)
		err = expect(&r, YAML_MAPPING_START_EVENT, "a mapping");
	if (!err)
		err = mapping(&r, read_top, NULL);
	if (r.has_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return err;
}
