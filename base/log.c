/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The level is the one thing here that outlives a call: it is set at start and on reload, read
 * atomically.
 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/time.h"

static _Atomic int log_level = UD_LOG_INFO;

/* Lines kept for whoever asks: a ring of bytes, empty unless ud_log_keep was called. */
static struct {
	pthread_mutex_t mutex;
	char *bytes;
	size_t size, end; /* end counts all bytes there ever were */
} kept = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void ud_log_keep(size_t bytes)
{
	pthread_mutex_lock(&kept.mutex);
	if (!kept.bytes) {
		kept.bytes = ud_malloc(bytes);
		kept.size = bytes;
	}
	pthread_mutex_unlock(&kept.mutex);
}

static void keep(const char *line, size_t n)
{
	pthread_mutex_lock(&kept.mutex);
	for (size_t i = 0; kept.size && i < n; i++)
		kept.bytes[kept.end++ % kept.size] = line[i];
	pthread_mutex_unlock(&kept.mutex);
}

/* Where to begin: after a newline, as far back as lines and bytes allow. Under the mutex. */
static size_t tail_start(size_t lines, size_t bytes)
{
	size_t oldest = kept.end > kept.size ? kept.end - kept.size : 0, at = kept.end;
	size_t start = kept.end;

	if (!kept.size)
		return start;
	while (at > oldest && kept.end - at < bytes) {
		at--;
		/* the oldest line may have lost its begin: it counts when a newline stands before
		 */
		if (at == 0 || (at > oldest && kept.bytes[(at - 1) % kept.size] == '\n')) {
			start = at;
			if (--lines == 0)
				break;
		}
	}
	return start;
}

void ud_log_tail(struct ud_buf *b, size_t lines, size_t bytes)
{
	pthread_mutex_lock(&kept.mutex);
	for (size_t at = lines ? tail_start(lines, bytes) : kept.end; at < kept.end; at++)
		ud_buf_putc(b, kept.bytes[at % kept.size]);
	pthread_mutex_unlock(&kept.mutex);
}

static const char *const names[] = { "error", "warning", "info", "debug" };

void ud_log_set_level(enum ud_log_level level)
{
	atomic_store(&log_level, (int)level);
}

int ud_log_level_named(const char *name)
{
	for (size_t i = 0; i < UD_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

static bool plain(const char *s)
{
	for (; *s; s++)
		if (*s <= 32 || *s == '"' || *s == '=' || *s == '\\' || *s == 127)
			return false;
	return true;
}

/* Syslog's numbers for systemd (sd-daemon(3)), else the time. */
static void add_head(struct ud_buf *b, enum ud_log_level level, const char *event)
{
	static const int priorities[] = { 3, 4, 6, 7 };
	char when[UD_TIME_TEXT];

	if (getenv("JOURNAL_STREAM")) {
		ud_buf_printf(b, "<%d>", priorities[level]);
	} else {
		ud_time_format(ud_now_ms(&ud_env_real), when);
		ud_buf_printf(b, "%s ", when);
	}
	ud_buf_printf(b, "level=%s event=%s", names[level], event);
}

void ud_log(enum ud_log_level level, const char *event, ...)
{
	struct ud_buf b = { 0 };
	const char *key;
	va_list ap;

	if ((int)level > atomic_load(&log_level))
		return;
	add_head(&b, level, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		ud_buf_printf(&b, " %s=", key);
		if (value && *value && plain(value))
			ud_buf_puts(&b, value);
		else
			ud_buf_json(&b, value ? value : "");
	}
	va_end(ap);
	ud_buf_putc(&b, '\n');
	keep(b.data, b.len);
	if (write(STDERR_FILENO, b.data, b.len) < 0) {
		/* nowhere left to say so */
	}
	ud_buf_free(&b);
}
