/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose -f IMAGE hash` and `vadose -f IMAGE convert --to FORMAT OUT`. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"
#include "cli/commands.h"
#include "image/aff4_verify.h"
#include "image/convert.h"
#include "render/text.h"

/* Set by ^C: what runs ends at its next step, and cleans up. */
static atomic_bool interrupted;

static void on_signal(int sig)
{
	(void)sig;
	atomic_store(&interrupted, true);
}

static void catch_signals(void)
{
	/* The second one ends what is deaf to the first. */
	struct sigaction action = {.sa_handler = on_signal,
				   .sa_flags = (int)SA_RESETHAND};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

struct shown {
	const char *what;
	bool wanted;
	unsigned int percent;	/* last shown + 1; 0 = nothing yet */
};

static bool step(void *ctx, uint64_t done, uint64_t total)
{
	struct shown *shown = ctx;
	unsigned int percent = total ? (unsigned int)(done / (total / 100 + 1)) :
				       100;
	if (shown->wanted && percent + 1 != shown->percent) {
		shown->percent = percent + 1;
		fprintf(stderr, "\r%s: %u %%", shown->what, percent);
	}
	return !atomic_load(&interrupted);
}

static void end_progress(struct shown *shown)
{
	if (shown->percent)
		fputs("\r\033[K", stderr);
	shown->percent = 0;
}

static bool wants_progress(const struct vds_args *args)
{
	if (args->quiet || !strcmp(args->progress, "never"))
		return false;
	return !strcmp(args->progress, "always") || isatty(STDERR_FILENO);
}

static struct vds_error *open_image(struct vds_cli *cli,
				    struct vds_image **ret)
{
	struct shown shown = {.what = "opening",
			      .wanted = wants_progress(&cli->args)};
	const struct vds_progress progress = {step, &shown};
	const struct vds_image_options options = {
		.format = cli->args.format, .object = cli->args.object,
		.progress = &progress};
	if (!cli->args.image)
		return vds_error_create(VDS_ERROR_USAGE,
					"%s: no image given (-f IMAGE)",
					cli->args.command);
	catch_signals();
	struct vds_error *err = vds_image_open(cli->args.image, &options, ret);
	end_progress(&shown);
	if (err == &vds_stop)
		return vds_error_create(VDS_ERROR_INTERNAL, "interrupted");
	if (err)
		return err;
	const struct vds_notes *notes = vds_image_notes(*ret);
	for (size_t i = 0; i < notes->count; i++)
		vds_cli_say(cli, "note: %s", notes->list[i].message);
	return NULL;
}

/* An interrupted run has printed nothing and left nothing. */
static int fail(struct vds_error *err)
{
	if (err != &vds_stop)
		return vds_cli_fail(err);
	return vds_cli_fail(vds_error_create(VDS_ERROR_INTERNAL,
					     "interrupted"));
}

static void put_hash(struct vds_str *out, const char *what,
		     const struct vds_digest *digest)
{
	char hex[VDS_SHA256_HEX_SIZE];
	vds_sha256_hex(digest->sha256, hex);
	vds_str_printf(out, "%-12s %s %llu", what, hex,
		       (unsigned long long)digest->size);
	if (digest->absent)
		vds_str_printf(out, " absent=%llu",
			       (unsigned long long)digest->absent);
	if (digest->unreadable)
		vds_str_printf(out, " unreadable=%llu",
			       (unsigned long long)digest->unreadable);
	if (digest->damaged)
		vds_str_printf(out, " damaged=%llu",
			       (unsigned long long)digest->damaged);
	vds_str_putc(out, '\n');
}

/*
 * Without unreadable ranges both policies hash the same bytes, once. A
 * directory has no hash of its own, but its stream has.
 */
static struct vds_error *hash(struct vds_cli *cli,
			      const struct vds_image *image,
			      struct vds_str *out, bool *ret_damaged)
{
	struct shown shown = {.what = "hashing the container",
			      .wanted = wants_progress(&cli->args)};
	struct vds_progress progress = {step, &shown};
	struct vds_digest digest;
	struct vds_error *err = vds_image_digest_file(image, &progress,
						      &digest);
	end_progress(&shown);
	if (!err)
		put_hash(out, "container", &digest);
	else if (!vds_error_catch(err, VDS_ERROR_UNSUPPORTED))
		return err;
	if (!vds_image_end(image)) {
		vds_cli_say(cli, "%s: holds no physical memory that could be hashed",
			    vds_image_path(image));
		return NULL;	/* a triage dump */
	}
	shown.what = "hashing the memory";
	err = vds_image_digest(image, VDS_STREAM_ZERO, &progress, &digest);
	if (!err) {
		put_hash(out, "stream-zero", &digest);
		*ret_damaged = digest.damaged;
		if (digest.unreadable)
			err = vds_image_digest(image, VDS_STREAM_SPEC,
					       &progress, &digest);
	}
	end_progress(&shown);
	if (!err)
		put_hash(out, "stream-spec", &digest);
	return err;
}

/* What `hash --verify` has found so far. */
struct verified {
	struct vds_str out;
	size_t equal, differs, unchecked;
};

static void put_check(void *ctx, const struct vds_aff4_check *check)
{
	static const char *const words[] = {"equal", "differs", "unchecked"};
	struct verified *v = ctx;
	vds_str_printf(&v->out, "%-9s %s %s", words[check->verdict],
		       check->what, check->type);
	if (check->stored)
		vds_str_printf(&v->out, " %s", check->stored);
	if (check->computed && check->verdict == VDS_VERDICT_DIFFERS)
		vds_str_printf(&v->out, " computed=%s", check->computed);
	vds_str_putc(&v->out, ' ');
	vds_text_escape(&v->out, check->urn, strlen(check->urn));
	if (check->why)
		vds_str_printf(&v->out, " (%s)", check->why);
	vds_str_putc(&v->out, '\n');
	v->equal += check->verdict == VDS_VERDICT_EQUAL;
	v->differs += check->verdict == VDS_VERDICT_DIFFERS;
	v->unchecked += check->verdict == VDS_VERDICT_UNCHECKED;
}

static struct vds_error *verify(struct vds_cli *cli,
				const struct vds_image *image,
				struct vds_str *out, bool *ret_damaged)
{
	struct shown shown = {.what = "verifying",
			      .wanted = wants_progress(&cli->args)};
	struct vds_progress progress = {step, &shown};
	struct verified v = {0};
	const struct vds_aff4_checker checker = {
		.on_check = put_check, .ctx = &v, .progress = &progress};
	struct vds_error *err = vds_aff4_verify(image, &checker);
	end_progress(&shown);
	vds_str_append(out, v.out.data, v.out.len);
	out->failed |= v.out.failed;
	vds_str_deinit(&v.out);
	*ret_damaged = v.differs;
	if (!err && !v.equal && !v.differs && !v.unchecked)
		vds_cli_say(cli, "%s: nothing to verify: a container of this kind stores no hashes",
			    vds_image_path(image));
	return err;
}

static const char hash_help[] =
	"vadose hash: SHA-256 of a container and of the memory in it\n\n"
	"usage: vadose -f IMAGE hash [--verify]\n\n"
	"container    the file as it is\n"
	"stream-zero  physical memory from address 0 on; what isn't there is 0\n"
	"stream-spec  the same, but ranges that the container says were\n"
	"             unreadable hold the pattern of its specification\n\n"
	"Each line: what, SHA-256, bytes, and how many of them are absent,\n"
	"unreadable or damaged, if any. Exit status 3 if any are damaged.\n\n"
	"--verify     compare the hashes that an AFF4 volume stores (of streams,\n"
	"             chunks, maps) and the CRC-32 of its members with what is\n"
	"             in it: equal, differs (exit status 3), or unchecked\n";

/* True if the next argument asks for help, or -h came before the command. */
static bool asks_help(const struct vds_cli *cli, const char *arg)
{
	return cli->args.help ||
	       (arg && (!strcmp(arg, "-h") || !strcmp(arg, "--help")));
}

int vds_cmd_hash(struct vds_cli *cli)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_image *image;
	struct vds_error *err = NULL;
	bool damaged = false, taken = true, only_verify = false;
	for (int i = cli->args.rest; i < cli->argc && !err;) {
		if (asks_help(cli, cli->argv[i]))
			break;
		if (!strcmp(cli->argv[i], "--verify")) {
			only_verify = true;
			i++;
			continue;
		}
		err = vds_args_take(&cli->args, cli->argc, cli->argv, &i,
				    &taken);
		if (!err && !taken)
			err = vds_error_create(VDS_ERROR_USAGE,
					       "hash: unexpected argument %s",
					       cli->argv[i]);
	}
	if (err)
		return vds_cli_fail(err);
	if (asks_help(cli, cli->args.rest < cli->argc ?
				   cli->argv[cli->args.rest] : NULL))
		return vds_cli_print(hash_help, sizeof(hash_help) - 1);
	err = open_image(cli, &image);
	if (err)
		return vds_cli_fail(err);
	err = only_verify ? verify(cli, image, &out, &damaged) :
			    hash(cli, image, &out, &damaged);
	vds_image_close(image);
	if (!err && out.failed)
		err = &vds_enomem;
	if (err)
		return fail(err);
	int status = vds_cli_print(out.data, out.len);
	return status ? status : damaged ? 3 : 0;
}

struct request {
	const char *to, *out;
	bool help;
};

static struct vds_error *parse_convert(struct vds_cli *cli,
				       struct request *ret)
{
	for (int i = cli->args.rest; i < cli->argc;) {
		const char *arg = cli->argv[i];
		bool taken = false;
		if (asks_help(cli, arg)) {
			ret->help = true;
			return NULL;
		}
		if (!strcmp(arg, "--to") || !strncmp(arg, "--to=", 5)) {
			ret->to = vds_args_value(cli->argc, cli->argv, &i);
			if (!ret->to)
				return vds_error_create(VDS_ERROR_USAGE,
							"--to needs a value: FORMAT");
			continue;
		}
		struct vds_error *err = vds_args_take(&cli->args, cli->argc,
						      cli->argv, &i, &taken);
		if (err)
			return err;
		if (taken)
			continue;
		if (arg[0] == '-' || ret->out)
			return vds_error_create(VDS_ERROR_USAGE,
						"convert: unexpected argument %s",
						arg);
		ret->out = arg;
		i++;
	}
	if (!ret->out)
		ret->out = cli->args.out;
	if (cli->args.help)
		ret->help = true;
	else if (!ret->to || !ret->out)
		return vds_error_create(VDS_ERROR_USAGE,
					"convert: %s (convert --to FORMAT OUT)",
					ret->to ? "no output file" :
						  "no format");
	return NULL;
}

static int help_convert(void)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	const struct vds_image_writer *writer;
	vds_str_puts(&out,
		     "vadose convert: write an image as another container\n\n"
		     "usage: vadose -f IMAGE convert --to FORMAT OUT\n\n"
		     "OUT must not exist; it appears when it is whole.\n\n"
		     "formats:\n");
	for (size_t i = 0; (writer = vds_image_writer_at(i)); i++)
		vds_str_printf(&out, "  %-8s %s\n", writer->name,
			       writer->summary);
	return out.failed ? vds_cli_fail(&vds_enomem) :
			    vds_cli_print(out.data, out.len);
}

static void say_result(const struct vds_cli *cli, const char *out,
		       const struct vds_conversion *done)
{
	vds_cli_say(cli, "%s: %llu bytes", out,
		    (unsigned long long)done->written);
	if (done->absent)
		vds_cli_say(cli, "%llu bytes were not in the image",
			    (unsigned long long)done->absent);
	if (done->unreadable)
		vds_cli_say(cli, "%llu bytes were unreadable when it was acquired",
			    (unsigned long long)done->unreadable);
	if (done->damaged)
		vds_cli_say(cli, "%llu bytes are lost: the image is damaged there",
			    (unsigned long long)done->damaged);
}

int vds_cmd_convert(struct vds_cli *cli)
{
	struct request request = {0};
	struct vds_conversion done;
	struct vds_image *image;
	struct vds_error *err = parse_convert(cli, &request);
	if (!err && request.help)
		return help_convert();
	if (!err)
		err = open_image(cli, &image);
	if (err)
		return vds_cli_fail(err);
	struct shown shown = {.what = "converting",
			      .wanted = wants_progress(&cli->args)};
	struct vds_progress progress = {step, &shown};
	err = vds_image_convert(image, request.to, request.out, &progress,
				&done);
	end_progress(&shown);
	vds_image_close(image);
	if (err)
		return fail(err);
	say_result(cli, request.out, &done);
	return done.damaged ? 3 : 0;
}
