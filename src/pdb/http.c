/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/http.h"

#include "config.h"

#if HAVE_CURL
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/* The macros that check argument types know these names only. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

/* How often a broken transfer is taken up again, if it got on each time. */
#define RESUMES_MAX 32
#define CONNECT_SECONDS 30L
#define STALLED_SECONDS 60L
#define REDIRECTS_MAX 10L

static struct {
	pthread_once_t once;
	const char *missing;	/* why there is no libcurl; NULL: there is */
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_easy_init) init;
	__typeof__(&curl_easy_setopt) setopt;
	__typeof__(&curl_easy_perform) perform;
	__typeof__(&curl_easy_getinfo) getinfo;
	__typeof__(&curl_easy_cleanup) cleanup;
	__typeof__(&curl_easy_strerror) strerror;
} lib = {.once = PTHREAD_ONCE_INIT};

static void open_lib(void)
{
	void *so = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!so)
		so = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		lib.missing = "libcurl is not installed";
		return;
	}
	const struct {
		void **to;
		const char *name;
	} wanted[] = {
		{(void **)&lib.global_init, "curl_global_init"},
		{(void **)&lib.init, "curl_easy_init"},
		{(void **)&lib.setopt, "curl_easy_setopt"},
		{(void **)&lib.perform, "curl_easy_perform"},
		{(void **)&lib.getinfo, "curl_easy_getinfo"},
		{(void **)&lib.cleanup, "curl_easy_cleanup"},
		{(void **)&lib.strerror, "curl_easy_strerror"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(wanted); i++) {
		*wanted[i].to = dlsym(so, wanted[i].name);
		if (!*wanted[i].to)
			lib.missing = "libcurl lacks a function";
	}
	if (!lib.missing && lib.global_init(CURL_GLOBAL_DEFAULT))
		lib.missing = "libcurl cannot be started";
}

bool vds_http_available(const char **ret_reason)
{
	pthread_once(&lib.once, open_lib);
	*ret_reason = lib.missing;
	return !lib.missing;
}

/* One request. */
struct transfer {
	const struct vds_http_get *get;
	CURL *curl;
	int fd;
	uint64_t start;		/* asked for from here on */
	uint64_t done;		/* bytes in the file */
	int64_t range;		/* where the answer says it starts; -1: not */
	bool began;
	struct vds_error *err;	/* what made a callback end it */
};

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	static const char name[] = "content-range: bytes ";
	struct transfer *t = ctx;
	size_t len = size * n;
	if (len >= 5 && !strncasecmp(line, "HTTP/", 5))
		t->range = -1;	/* of the next answer, after a redirection */
	if (len >= sizeof(name) - 1 &&
	    !strncasecmp(line, name, sizeof(name) - 1)) {
		t->range = 0;
		for (size_t i = sizeof(name) - 1;
		     i < len && line[i] >= '0' && line[i] <= '9' &&
		     t->range < INT64_MAX / 16; i++)
			t->range = t->range * 10 + (line[i] - '0');
	}
	return len;
}

/* The first bytes of an answer: do they go on where the file ends? */
static struct vds_error *begin(struct transfer *t, long status)
{
	t->began = true;
	if (status == 206 && t->range == (int64_t)t->start)
		return NULL;
	if (status != 200)
		return vds_error_create(VDS_ERROR_NO_INPUT,
					"%s: an answer that was not asked for "
					"(status %ld)", t->get->url, status);
	/* A server that knows no ranges sends all of it. */
	t->done = 0;
	if (ftruncate(t->fd, 0) || lseek(t->fd, 0, SEEK_SET))
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
				       t->get->path);
	return NULL;
}

static struct vds_error *keep(struct transfer *t, const char *data, size_t len)
{
	if (len > t->get->max_bytes || t->done > t->get->max_bytes - len)
		return vds_error_create(
			VDS_ERROR_UNSUPPORTED,
			"%s: more than %llu bytes; allow more if that is right",
			t->get->url, (unsigned long long)t->get->max_bytes);
	while (len) {
		ssize_t n = write(t->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
					       t->get->path);
		data += n;
		len -= (size_t)n;
		t->done += (uint64_t)n;
	}
	return NULL;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	long status = 0;
	lib.getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400)
		return size * n;	/* a page that says sorry */
	if (!t->began)
		t->err = begin(t, status);
	if (!t->err)
		t->err = keep(t, data, size * n);
	return t->err ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t done,
		       curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = ctx;
	uint64_t skipped = t->done > (uint64_t)done ?
		t->done - (uint64_t)done : 0;
	(void)up_total;
	(void)up;
	if (t->began && t->get->progress)
		t->get->progress(t->get->ctx, t->done,
				 total > 0 ? skipped + (uint64_t)total : 0);
	return 0;
}

static void set_options(struct transfer *t, char range[32])
{
	CURL *c = t->curl;
	lib.setopt(c, CURLOPT_URL, t->get->url);
	lib.setopt(c, CURLOPT_USERAGENT, "vadose/" VDS_VERSION);
	lib.setopt(c, CURLOPT_NOSIGNAL, 1L);
	lib.setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	lib.setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
#if LIBCURL_VERSION_NUM >= 0x075500
	lib.setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	lib.setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	lib.setopt(c, CURLOPT_PROTOCOLS,
		   (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	lib.setopt(c, CURLOPT_REDIR_PROTOCOLS,
		   (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	lib.setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	lib.setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	lib.setopt(c, CURLOPT_LOW_SPEED_TIME, STALLED_SECONDS);
	lib.setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	lib.setopt(c, CURLOPT_HEADERDATA, t);
	lib.setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	lib.setopt(c, CURLOPT_WRITEDATA, t);
	lib.setopt(c, CURLOPT_NOPROGRESS, 0L);
	lib.setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib.setopt(c, CURLOPT_XFERINFODATA, t);
	if (t->start) {
		snprintf(range, 32, "%llu-", (unsigned long long)t->start);
		lib.setopt(c, CURLOPT_RANGE, range);
	}
}

static struct vds_error *status_error(const struct transfer *t, long status)
{
	if (status == 404 || status == 410)
		return vds_error_create(VDS_ERROR_NOT_FOUND,
					"%s: not there (status %ld)",
					t->get->url, status);
	return vds_error_create(VDS_ERROR_NO_INPUT,
				"%s: the server answers with status %ld",
				t->get->url, status);
}

/* *ret_again: it broke off, and it may be worth while to go on. */
static struct vds_error *perform(struct transfer *t, bool *ret_again)
{
	char range[32];
	long status = 0;
	t->curl = lib.init();
	if (!t->curl)
		return &vds_enomem;
	set_options(t, range);
	CURLcode code = lib.perform(t->curl);
	lib.getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	lib.cleanup(t->curl);
	*ret_again = false;
	if (t->err)
		return t->err;
	/* All there was had been there before, or the start is no good. */
	if (status == 416 && t->start) {
		*ret_again = true;
		if (ftruncate(t->fd, 0))
			return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
					       t->get->path);
		return vds_error_create(VDS_ERROR_NO_INPUT,
					"%s: no such range", t->get->url);
	}
	if (status >= 400)
		return status_error(t, status);
	if (code == CURLE_OK)
		return NULL;
	*ret_again = t->began && t->done > t->start;
	return vds_error_create(VDS_ERROR_NO_INPUT, "%s: %s", t->get->url,
				lib.strerror(code));
}

/* An empty answer never reaches on_data(); the file is empty then, too. */
static struct vds_error *attempt(const struct vds_http_get *get, int fd,
				 bool *ret_again)
{
	struct transfer t = {.get = get, .fd = fd, .range = -1};
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
				       get->path);
	t.start = t.done = (uint64_t)end;
	return perform(&t, ret_again);
}

struct vds_error *vds_http_get(const struct vds_http_get *get)
{
	const char *reason;
	bool again = true;
	struct vds_error *err = NULL;
	if (!vds_http_available(&reason))
		return vds_error_create(VDS_ERROR_UNSUPPORTED, "%s: %s",
					get->url, reason);
	int fd = open(get->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
				       get->path);
	/* Two that write the same file would weave theirs into one. */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return vds_error_create(VDS_ERROR_OUTPUT,
					"%s: another process fetches it",
					get->path);
	}
	for (int i = 0; again && i <= RESUMES_MAX; i++) {
		vds_error_destroy(err);
		err = attempt(get, fd, &again);
		if (!err)
			break;
	}
	if (close(fd) && !err)
		err = vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
				      get->path);
	return err;
}

#else

bool vds_http_available(const char **ret_reason)
{
	*ret_reason = "this program was built without libcurl";
	return false;
}

struct vds_error *vds_http_get(const struct vds_http_get *get)
{
	const char *reason;
	vds_http_available(&reason);
	return vds_error_create(VDS_ERROR_UNSUPPORTED, "%s: %s", get->url,
				reason);
}

#endif
