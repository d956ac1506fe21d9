/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves stand in the file, the level above them in memory (2 MiB for a disk of one TiB), the rest
 * is reckoned when somebody asks. A preview walks the groups of leaves that the sums touch.
 */
#include "agent/replication/tree.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/beneath.h"

enum { FAN = 256, GROUP = FAN * UD_SHA256, HEADER_AREA = 4096 };

struct header {
	char magic[8];
	uint64_t size, number;
	uint32_t unused, crc;
};

struct ud_tree {
	int fd;
	int64_t size, number;
	int64_t groups;
	unsigned char *nodes; /* a hash for each group */
};

static const char magic[8] = "UDTREE1";
static const unsigned char zeros[GROUP];

static int64_t groups_of(int64_t size_bytes)
{
	return (ud_extents(size_bytes) + FAN - 1) / FAN;
}

static void hash_group(const unsigned char *children, unsigned char ret[UD_SHA256])
{
	if (ud_all_zero(children, GROUP))
		memset(ret, 0, UD_SHA256);
	else
		ud_sha256(children, GROUP, ret);
}

/* Leaves of a group; what the file does not have are zeros. */
static int read_leaves(int fd, int64_t first, int64_t count, unsigned char *ret)
{
	size_t n = (size_t)count * UD_SHA256, have = 0;

	while (have < n) {
		ssize_t got = pread(
			fd, ret + have, n - have, HEADER_AREA + first * UD_SHA256 + (int64_t)have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	memset(ret + have, 0, n - have);
	return 0;
}

/* ---- opening ---- */

static int write_header(const ud_tree *t)
{
	struct header h = { .size = htole64((uint64_t)t->size),
		.number = htole64((uint64_t)t->number) };

	memcpy(h.magic, magic, sizeof(magic));
	h.crc = htole32(ud_crc32(&h, offsetof(struct header, crc)));
	return ud_write_at(t->fd, &h, sizeof(h), 0);
}

static int read_header(ud_tree *t)
{
	struct header h;
	int rc = ud_read_at(t->fd, &h, sizeof(h), 0);

	if (rc < 0)
		return rc == -ENODATA ? -EBADMSG : rc;
	uint64_t size = le64toh(h.size), number = le64toh(h.number);

	if (memcmp(h.magic, magic, sizeof(magic)) != 0 ||
		le32toh(h.crc) != ud_crc32(&h, offsetof(struct header, crc)) || size == 0 ||
		size > (uint64_t)UD_DISK_MAX || number > INT64_MAX)
		return -EBADMSG;
	t->size = (int64_t)size;
	t->number = (int64_t)number;
	return 0;
}

/* Reckon the nodes from the leaves; holes of the file are zeros and need not be read. */
static int reckon(ud_tree *t)
{
	unsigned char leaves[GROUP];

	for (int64_t g = 0; g < t->groups; g++) {
		int64_t at = HEADER_AREA + g * GROUP, data = lseek(t->fd, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			break;
		if (data >= at + GROUP) {
			g = (data - HEADER_AREA) / GROUP - 1;
			continue;
		}
		int rc = read_leaves(t->fd, g * FAN, FAN, leaves);

		if (rc < 0)
			return rc;
		hash_group(leaves, t->nodes + g * UD_SHA256);
	}
	return 0;
}

/* Make room for the nodes of a size; new ones are zeros. */
static void resize(ud_tree *t, int64_t size_bytes)
{
	int64_t groups = groups_of(size_bytes);

	t->nodes = ud_realloc(t->nodes, (size_t)(groups + 1) * UD_SHA256);
	if (groups > t->groups)
		memset(t->nodes + t->groups * UD_SHA256, 0,
			(size_t)(groups - t->groups) * UD_SHA256);
	t->groups = groups;
	t->size = size_bytes;
}

static int load(ud_tree *t, int64_t size_bytes)
{
	struct stat st;

	if (fstat(t->fd, &st) != 0)
		return -errno;
	bool fresh = st.st_size == 0 && size_bytes > 0;

	if (fresh)
		t->size = size_bytes;
	int rc = fresh ? write_header(t) : read_header(t);

	if (rc < 0)
		return rc;
	int64_t size = t->size;

	resize(t, size);
	rc = reckon(t);
	if (rc == 0 && size_bytes > size)
		resize(t, size_bytes);
	return rc;
}

int ud_tree_open(int root, const char *path, int64_t size_bytes, ud_tree **ret)
{
	int fd = ud_beneath_open(root, path, O_RDWR | (size_bytes ? O_CREAT : 0), 0600);

	if (fd < 0)
		return fd;
	ud_tree *t = ud_malloc(sizeof(*t));

	*t = (ud_tree){ .fd = fd };
	int rc = load(t, size_bytes);

	if (rc < 0)
		ud_tree_release(&t);
	else
		*ret = t;
	return rc;
}

void ud_tree_release(ud_tree **tree)
{
	ud_tree *t = *tree;

	*tree = NULL;
	if (!t)
		return;
	close(t->fd);
	ud_free(t->nodes);
	ud_free(t);
}

int64_t ud_tree_size(const ud_tree *tree)
{
	return tree->size;
}

int64_t ud_tree_number(const ud_tree *tree)
{
	return tree->number;
}

/* ---- leaves ---- */

int ud_tree_get(const ud_tree *tree, int64_t extent, int64_t count, unsigned char *ret)
{
	return read_leaves(tree->fd, extent, count, ret);
}

int ud_tree_peek(int root, const char *path, int64_t extent, int64_t count, unsigned char *ret)
{
	int fd = ud_beneath_open(root, path, O_RDONLY, 0);

	if (fd < 0)
		return fd;
	int rc = read_leaves(fd, extent, count, ret);

	close(fd);
	return rc;
}

static int write_leaves(int fd, int64_t first, int64_t count, const unsigned char *hashes)
{
	while (count > 0) {
		int64_t n = count < FAN ? count : FAN;
		int rc = ud_write_at(fd, hashes ? hashes : zeros, (size_t)n * UD_SHA256,
			HEADER_AREA + first * UD_SHA256);

		if (rc < 0)
			return rc;
		first += n;
		count -= n;
		if (hashes)
			hashes += n * UD_SHA256;
	}
	return 0;
}

int ud_tree_set(ud_tree *tree, int64_t extent, int64_t count, const unsigned char *hashes)
{
	unsigned char leaves[GROUP];
	int rc = write_leaves(tree->fd, extent, count, hashes);

	for (int64_t g = extent / FAN; rc == 0 && g <= (extent + count - 1) / FAN; g++) {
		rc = read_leaves(tree->fd, g * FAN, FAN, leaves);
		hash_group(leaves, tree->nodes + g * UD_SHA256);
	}
	return rc;
}

/* ---- roots ---- */

/* The root over nodes of one level: levels above until one node is left, then the size. */
static void root_of(
	const unsigned char *nodes, int64_t count, int64_t size_bytes, char ret[UD_SHA256_HEX])
{
	unsigned char *level = ud_malloc((size_t)(count + FAN) * UD_SHA256);
	unsigned char last[8 + UD_SHA256];
	uint64_t size = htole64((uint64_t)size_bytes);

	memcpy(level, nodes, (size_t)count * UD_SHA256);
	while (count > 1) {
		int64_t up = (count + FAN - 1) / FAN;

		/* a node is written where its children were read before */
		memset(level + count * UD_SHA256, 0,
			(size_t)(up * FAN - count < FAN ? up * FAN - count : FAN) * UD_SHA256);
		for (int64_t i = 0; i < up; i++) {
			unsigned char hash[UD_SHA256];

			hash_group(level + i * GROUP, hash);
			memcpy(level + i * UD_SHA256, hash, UD_SHA256);
		}
		count = up;
	}
	memcpy(last, &size, sizeof(size));
	memcpy(last + sizeof(size), level, UD_SHA256);
	ud_sha256_hex(last, sizeof(last), ret);
	ud_free(level);
}

int ud_tree_root(ud_tree *tree, char ret[UD_SHA256_HEX])
{
	root_of(tree->nodes, tree->groups, tree->size, ret);
	return 0;
}

/* A walk over sums: the group whose leaves are in memory, and the nodes that come of it. */
struct walk {
	int fd;
	bool write;
	int64_t group; /* -1 = none */
	unsigned char leaves[GROUP];
	unsigned char *nodes;
};

static void leave_group(struct walk *w)
{
	if (w->group >= 0)
		hash_group(w->leaves, w->nodes + w->group * UD_SHA256);
}

static int enter_group(struct walk *w, int64_t group)
{
	if (w->group == group)
		return 0;
	leave_group(w);
	w->group = group;
	return read_leaves(w->fd, group * FAN, FAN, w->leaves);
}

static int take_sum(void *data, const struct ud_sum *sum)
{
	struct walk *w = data;
	int64_t at = sum->extent, left = sum->count;

	while (left > 0) {
		int64_t in = at % FAN, n = FAN - in < left ? FAN - in : left;
		int rc = enter_group(w, at / FAN);

		if (rc < 0)
			return rc;
		for (int64_t i = 0; i < n; i++)
			memcpy(w->leaves + (in + i) * UD_SHA256, sum->hash, UD_SHA256);
		if (w->write)
			rc = write_leaves(w->fd, at, n, w->leaves + in * UD_SHA256);
		if (rc < 0)
			return rc;
		at += n;
		left -= n;
	}
	return 0;
}

static int walk_sums(ud_tree *t, int64_t size_bytes, int sums_fd, bool write, unsigned char *nodes)
{
	struct walk *w = ud_malloc(sizeof(*w));

	w->fd = t->fd;
	w->write = write;
	w->group = -1;
	w->nodes = nodes;
	int rc = ud_sums_visit(sums_fd, ud_extents(size_bytes), take_sum, w);

	leave_group(w);
	ud_free(w);
	return rc;
}

int ud_tree_preview(ud_tree *tree, int64_t size_bytes, int sums_fd, char ret[UD_SHA256_HEX])
{
	int64_t groups = groups_of(size_bytes);
	size_t bytes = (size_t)groups * UD_SHA256;

	if (size_bytes < tree->size)
		return -EINVAL;
	unsigned char *nodes = ud_malloc(bytes);

	memset(nodes, 0, bytes);
	memcpy(nodes, tree->nodes, (size_t)tree->groups * UD_SHA256);
	int rc = walk_sums(tree, size_bytes, sums_fd, false, nodes);

	if (rc == 0)
		root_of(nodes, groups, size_bytes, ret);
	ud_free(nodes);
	return rc;
}

int ud_tree_apply(ud_tree *tree, int64_t size_bytes, int sums_fd)
{
	if (size_bytes < tree->size)
		return -EINVAL;
	resize(tree, size_bytes);
	return walk_sums(tree, size_bytes, sums_fd, true, tree->nodes);
}

int ud_tree_commit(ud_tree *tree, int64_t number)
{
	if (fdatasync(tree->fd) != 0)
		return -errno;
	tree->number = number;
	int rc = write_header(tree);

	return rc < 0 ? rc : fdatasync(tree->fd) == 0 ? 0 : -errno;
}
