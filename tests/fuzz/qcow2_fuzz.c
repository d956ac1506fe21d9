/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of point files over anything at all: every place that it gives lies in the file, every
 * extent in the disk. The first byte picks where the input is put: at the header, or into a table
 * of a file that the writer made.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/qcow2.h"
#include "agent/replication/tree.h"

enum { EXTENTS = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bounds {
	int64_t file, extents, next;
};

static int check_run(void *data, int64_t extent, int64_t count, int64_t place)
{
	struct bounds *b = data;

	if (extent < b->next || count < 1 || extent + count > b->extents)
		abort();
	if (place && (place < UD_EXTENT || place + count * UD_EXTENT > b->file))
		abort();
	b->next = extent + count;
	return 0;
}

/* A good file to spoil. */
static void write_good(int fd)
{
	static unsigned char extent[UD_EXTENT] = { 1 };
	ud_qcow2_writer *w = NULL;

	if (ud_qcow2_begin(fd, (int64_t)EXTENTS * UD_EXTENT, &w) != 0)
		abort();
	for (int64_t e = 0; e < EXTENTS; e += 3)
		if (ud_write_at(fd, extent, sizeof(extent), ud_qcow2_place(w, e)) != 0)
			abort();
	ud_qcow2_zero(w, 1, 1);
	if (ud_qcow2_finish(w, "../000001/vda.qcow2", "qcow2") != 0)
		abort();
	ud_qcow2_writer_release(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t targets[] = { 0, UD_EXTENT, (2 + EXTENTS / 3 + 1) * UD_EXTENT, 96 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	ud_qcow2_reader *r = NULL;

	if (fd < 0 || size < 1)
		return close(fd);
	write_good(fd);
	if (size > 1 && ud_write_at(fd, data + 1, size - 1, targets[data[0] % 4]) != 0)
		abort();
	if (ud_qcow2_open(fd, &r) == 0) {
		struct bounds b = { lseek(fd, 0, SEEK_END), ud_extents(ud_qcow2_size(r)), 0 };
		int64_t place = 0;

		if (ud_qcow2_visit(r, check_run, &b) == 0 && ud_qcow2_find(r, 5, &place) == 0 &&
			place > 0 && place + UD_EXTENT > b.file)
			abort();
		if (strlen(ud_qcow2_backing(r)) >= UD_QCOW2_BACKING)
			abort();
	}
	ud_qcow2_reader_release(&r);
	close(fd);
	return 0;
}
