/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup and restore: names, manifest and checks that both engines share.
 */
#include "db/engine/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/shape.h"
#include "db/engine/copy.h"
#include "db/engine/history.h"

enum { MANIFEST_MAX = 65536 };

/* clang-format off */
static const struct ud_field manifest_fields[] = {
	UD_FIELD(ud_copy_manifest, engine,         .flags = UD_REQUIRED, .about = "sqlite or postgresql."),
	UD_FIELD(ud_copy_manifest, schema_version, .flags = UD_REQUIRED, .about = "Newest migration in the copy."),
	UD_FIELD(ud_copy_manifest, generation,     .flags = UD_REQUIRED, .about = "Generation of the database."),
	UD_FIELD(ud_copy_manifest, created_at,     .flags = UD_REQUIRED, .about = "When the copy was begun."),
	UD_FIELD(ud_copy_manifest, size_bytes,     .flags = UD_REQUIRED, .max = INT64_C(1) << 53, .about = "Size of the file."),
	UD_FIELD(ud_copy_manifest, sha256,         .flags = UD_REQUIRED, .about = "SHA-256 of the file, in hex."),
	UD_FIELD(ud_copy_manifest, events,         .flags = UD_REQUIRED, .about = "Rows of the log."),
	UD_FIELD(ud_copy_manifest, users,          .flags = UD_REQUIRED, .about = "Rows of users."),
	UD_FIELD(ud_copy_manifest, customers,      .flags = UD_REQUIRED, .about = "Rows of customers."),
};
/* clang-format on */

static const struct ud_shape manifest_shape = {
	.object = "backup", .bare = true, UD_SHAPE(ud_copy_manifest, manifest_fields)
};

static bool is_sqlite(const char *url)
{
	return strncmp(url, ud_engine_sqlite.scheme, strlen(ud_engine_sqlite.scheme)) == 0;
}

static const struct ud_copier *copier_of(const char *url)
{
	return is_sqlite(url) ? &ud_copier_sqlite : &ud_copier_postgresql;
}

/* every tenant: a copy holds all of them */
enum ud_code ud_copy_describe(struct ud_ctx *cx, struct ud_copy_manifest *m)
{
	const struct {
		const char *sql;
		int64_t *to;
	} parts[] = {
		{ "SELECT MAX(version) FROM schema_migrations", &m->schema_version },
		{ "SELECT CAST(value AS BIGINT) FROM installation WHERE key = 'generation'",
			&m->generation },
		{ "SELECT COUNT(*) FROM events", &m->events },
		{ "SELECT COUNT(*) FROM users", &m->users },
		{ "SELECT COUNT(*) FROM customers", &m->customers },
	};
	bool found;

	for (size_t i = 0; i < UD_LEN(parts); i++)
		UD_TRY(ud_query_int(cx, &found, parts[i].to, parts[i].sql, UD_NO_VALS));
	m->engine = cx->conn->engine->name;
	return UD_OK;
}

static enum ud_code no_file(struct ud_ctx *cx, const char *path)
{
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path, strerror(errno));
}

static enum ud_code sync_path(struct ud_ctx *cx, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	enum ud_code code = fd < 0 || fsync(fd) != 0 ? no_file(cx, path) : UD_OK;

	if (fd >= 0)
		close(fd);
	return code;
}

enum ud_code ud_copy_sync(struct ud_ctx *cx, const char *path)
{
	return sync_path(cx, path, O_RDONLY);
}

enum ud_code ud_copy_sync_folder(struct ud_ctx *cx, const char *path)
{
	const char *slash = strrchr(path, '/');

	return sync_path(cx, slash ? ud_strndup(cx->arena, path, (size_t)(slash - path + 1)) : ".",
		O_RDONLY | O_DIRECTORY);
}

static enum ud_code map_file(
	struct ud_ctx *cx, int fd, const char *path, char hex[UD_SHA256_HEX], int64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return no_file(cx, path);
	void *data = st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
				    : MAP_FAILED;

	if (data == MAP_FAILED)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s cannot be read", path);
	ud_sha256_hex(data, (size_t)st.st_size, hex);
	munmap(data, (size_t)st.st_size);
	*ret_size = st.st_size;
	return UD_OK;
}

static enum ud_code fingerprint(
	struct ud_ctx *cx, const char *path, const char **ret_sha256, int64_t *ret_size)
{
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return no_file(cx, path);
	enum ud_code code = map_file(cx, fd, path, hex, ret_size);

	close(fd);
	*ret_sha256 = hex;
	return code;
}

static enum ud_code write_manifest(
	struct ud_ctx *cx, const char *file, const struct ud_copy_manifest *m)
{
	struct ud_buf b = { 0 };
	bool first = true;

	ud_buf_putc(&b, '{');
	for (size_t i = 0; i < UD_LEN(manifest_fields); i++) {
		ud_buf_key(&b, &first, manifest_fields[i].name);
		ud_field_encode(&b, &manifest_fields[i], m);
	}
	ud_buf_puts(&b, "}\n");
	enum ud_code code =
		ud_file_write(cx, ud_printf(cx->arena, "%s.json", file), b.data, b.len, 0600);

	ud_buf_free(&b);
	return code;
}

/* Give a finished file its name, durably; the manifest first, so that none is without. */
static enum ud_code put_in_place(
	struct ud_ctx *cx, const char *part, const char *file, struct ud_copy_manifest *m)
{
	UD_TRY(ud_copy_sync(cx, part));
	UD_TRY(fingerprint(cx, part, &m->sha256, &m->size_bytes));
	UD_TRY(write_manifest(cx, file, m));
	if (rename(part, file) != 0)
		return no_file(cx, file);
	return ud_copy_sync_folder(cx, file);
}

/* An empty file that only we can read: the copy holds hashes and people's data. */
static enum ud_code make_private(struct ud_ctx *cx, const char *path)
{
	unlink(path);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return no_file(cx, path);
	close(fd);
	return UD_OK;
}

enum ud_code ud_backup(struct ud_ctx *cx, const char *url, const char *file)
{
	const char *part = ud_printf(cx->arena, "%s.part", file);
	struct ud_copy_manifest m = { .created_at.ms = cx->now_ms };

	if (access(file, F_OK) == 0)
		return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "%s is there already", file);
	UD_TRY(make_private(cx, part));
	enum ud_code code = copier_of(url)->save(cx, url, part, &m);

	if (code == UD_OK)
		code = put_in_place(cx, part, file, &m);
	if (code != UD_OK)
		unlink(part);
	return code;
}

/* The copy against its manifest; one without is taken with a warning. */
static enum ud_code check_file(struct ud_ctx *cx, const char *file, const char *engine,
	struct ud_copy_manifest *ret, bool *ret_known)
{
	const char *path = ud_printf(cx->arena, "%s.json", file), *text, *sha256;
	int64_t size;
	size_t n;

	*ret_known = access(path, F_OK) == 0;
	if (!*ret_known) {
		ud_log(UD_LOG_WARNING, "backup_without_manifest", "file", file, NULL);
		return UD_OK;
	}
	UD_TRY(ud_file_read(cx, path, MANIFEST_MAX, &text, &n));
	if (ud_shape_read(cx, &manifest_shape, text, n, ret) != UD_OK)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s is damaged", path);
	UD_TRY(fingerprint(cx, file, &sha256, &size));
	if (size != ret->size_bytes || strcmp(sha256, ret->sha256) != 0)
		return ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "%s is damaged: not what %s says", file, path);
	if (strcmp(engine, ret->engine) != 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"%s is a copy of %s; it does not fit %s", file, ret->engine, engine);
	return UD_OK;
}

static enum ud_code count_events(struct ud_ctx *cx, const char *url, int64_t *ret)
{
	bool found = false;

	UD_TRY(ud_query_int(cx, &found, ret,
		is_sqlite(url) ? "SELECT 1 FROM sqlite_schema WHERE name = 'events'"
			       : "SELECT 1 WHERE to_regclass('events') IS NOT NULL",
		UD_NO_VALS));
	*ret = 0;
	if (found)
		UD_TRY(ud_query_int(cx, &found, ret, "SELECT COUNT(*) FROM events", UD_NO_VALS));
	return UD_OK;
}

/* The target may be missing or empty; an installation in it is not overwritten. */
static enum ud_code check_empty(struct ud_ctx *cx, const char *url)
{
	ud_conn *conn = NULL;
	int64_t n = 0;

	if (is_sqlite(url) && access(url + strlen(ud_engine_sqlite.scheme), F_OK) != 0)
		return UD_OK;
	UD_TRY(ud_conn_open(cx, url, 0, &conn));
	cx->conn = conn;
	enum ud_code code = count_events(cx, url, &n);

	cx->conn = NULL;
	ud_conn_release(&conn);
	UD_TRY(code);
	return n > 0 ? ud_fail(cx, UD_E_INVALID_STATE, NULL,
			       "there is an installation in that database already")
		     : UD_OK;
}

/* What arrived against what the manifest says. */
static enum ud_code check_arrived(
	struct ud_ctx *cx, const char *url, const struct ud_copy_manifest *was)
{
	struct ud_copy_manifest is = { 0 };
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, url, UD_CONN_READ, &conn));
	cx->conn = conn;
	enum ud_code code = ud_copy_describe(cx, &is);

	cx->conn = NULL;
	ud_conn_release(&conn);
	UD_TRY(code);
	if (is.events != was->events || is.users != was->users || is.customers != was->customers)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"%lld events, %lld users and %lld customers arrived, the copy has %lld, %lld and %lld",
			(long long)is.events, (long long)is.users, (long long)is.customers,
			(long long)was->events, (long long)was->users, (long long)was->customers);
	return UD_OK;
}

enum ud_code ud_restore(struct ud_ctx *cx, const char *file, const char *url, const char *history)
{
	struct ud_copy_manifest m = { 0 };
	int64_t seen = 0;
	bool known;

	if (access(file, R_OK) != 0)
		return no_file(cx, file);
	UD_TRY(check_file(cx, file,
		is_sqlite(url) ? ud_engine_sqlite.name : ud_engine_postgresql.name, &m, &known));
	UD_TRY(check_empty(cx, url));
	UD_TRY(ud_history_generation(cx, history, &seen));
	UD_TRY(copier_of(url)->load(cx, file, url, seen));
	return known ? check_arrived(cx, url, &m) : UD_OK;
}
