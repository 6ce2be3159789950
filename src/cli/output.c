/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

static struct vds_error *failure(const struct vds_output *output, int errnum)
{
	return vds_error_errno(VDS_ERROR_OUTPUT, errnum, "%s",
			       output->path ? output->path : "stdout");
}

static struct vds_error *write_all(struct vds_writer *writer, const char *data,
				   size_t len)
{
	struct vds_output *output = (struct vds_output *)writer;
	while (len) {
		ssize_t n = write(output->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			output->broken_pipe = errno == EPIPE;
			return failure(output, errno);
		}
		data += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* Devices and pipes (/dev/null, /dev/full) are written as they are. */
static bool is_special(const char *path)
{
	struct stat st;
	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

/* What a signal that ends the program takes away; there is one at most. */
static char *volatile unfinished;

static void on_signal(int sig)
{
	if (unfinished)
		unlink(unfinished);
	/* SA_RESETHAND: this time it does what it always did. */
	raise(sig);
}

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};

static void clean_up_on_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal,
					 .sa_flags = (int)SA_RESETHAND};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(endings); i++) {
		struct sigaction old;
		/* Under nohup, and in the background of a script, it is ignored. */
		if (!sigaction(endings[i], NULL, &old) &&
		    old.sa_handler == SIG_DFL)
			sigaction(endings[i], &action, NULL);
	}
}

/* As mkostemp(); no signal comes between the file and the note of it. */
static int make_temp(char *temp)
{
	sigset_t set, old;
	sigemptyset(&set);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(endings); i++)
		sigaddset(&set, endings[i]);
	clean_up_on_signals();
	pthread_sigmask(SIG_BLOCK, &set, &old);
	int fd = mkostemp(temp, O_CLOEXEC);
	int errnum = errno;
	if (fd >= 0)
		unfinished = temp;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = errnum;
	return fd;
}

static struct vds_error *open_temp(struct vds_output *output)
{
	if (asprintf(&output->temp, "%s.XXXXXX", output->path) < 0) {
		output->temp = NULL;
		return &vds_enomem;
	}
	output->fd = make_temp(output->temp);
	if (output->fd < 0) {
		int errnum = errno;
		free(output->temp);
		output->temp = NULL;
		return failure(output, errnum);
	}
	/* mkostemp() makes it private; give it what open() would have. */
	mode_t mask = umask(0);
	umask(mask);
	fchmod(output->fd, 0666 & ~mask);
	return NULL;
}

struct vds_error *vds_output_open(struct vds_output *output, const char *path)
{
	*output = (struct vds_output){
		.writer.write = write_all,
		.fd = STDOUT_FILENO,
		.path = path,
	};
	if (!path)
		return NULL;
	if (!is_special(path))
		return open_temp(output);
	output->fd = open(path, O_WRONLY | O_CLOEXEC);
	return output->fd < 0 ? failure(output, errno) : NULL;
}

struct vds_error *vds_output_commit(struct vds_output *output)
{
	struct vds_error *err = NULL;
	if (!output->path)
		return NULL;
	if (output->temp && fsync(output->fd) && errno != EINVAL &&
	    errno != EROFS)
		err = failure(output, errno);
	if (close(output->fd) && !err)
		err = failure(output, errno);
	output->fd = -1;
	if (!err && output->temp && rename(output->temp, output->path))
		err = failure(output, errno);
	if (!err) {
		unfinished = NULL;
		free(output->temp);
		output->temp = NULL;
	}
	return err;
}

void vds_output_deinit(struct vds_output *output)
{
	if (output->path && output->fd >= 0)
		close(output->fd);
	if (output->temp) {
		unlink(output->temp);
		unfinished = NULL;
		free(output->temp);
	}
	*output = (struct vds_output){.fd = -1};
}

bool vds_output_is_terminal(const struct vds_output *output)
{
	return isatty(output->fd) == 1;
}
