/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One disk of a point as a finished qcow2 file (version 3, clusters of 64 KiB): only the clusters
 * that changed, over a backing file. QEMU boots from it. The writer puts clusters in the order they
 * come and the header last; the reader takes what the writer makes and nothing else, and believes
 * no number in it. Functions return 0 or a negative errno; -EBADMSG: not such a file.
 */
#ifndef AGENT_REPLICATION_QCOW2_H
#define AGENT_REPLICATION_QCOW2_H

#include "agent/replication/manifest.h"

enum { UD_QCOW2_BACKING = 1024 }; /* bytes of a backing name, with its NUL */

/* ---- writing ---- */

typedef struct ud_qcow2_writer ud_qcow2_writer;

/* Begin in an empty file that stays the caller's. size_bytes is a multiple of 512. */
int ud_qcow2_begin(int fd, int64_t size_bytes, ud_qcow2_writer **ret) UD_USE;
void ud_qcow2_writer_release(ud_qcow2_writer **writer);
/* Give the cluster of an extent its place in the file, to which the caller writes 64 KiB (with
 * zeros behind the disk's end). A second time gives the same place. One thread. */
int64_t ud_qcow2_place(ud_qcow2_writer *writer, int64_t extent);
/* These extents read as zeros, whatever lies below. One thread. */
void ud_qcow2_zero(ud_qcow2_writer *writer, int64_t extent, int64_t count);
/* Bytes that finish will still need, at most. */
int64_t ud_qcow2_need(const ud_qcow2_writer *writer);
/* Write the tables, sync, and the header, and sync again. backing "" = none; format "raw" or
 * "qcow2". */
int ud_qcow2_finish(ud_qcow2_writer *writer, const char *backing, const char *format) UD_USE;
/* Write an empty overlay into an empty file. */
int ud_qcow2_empty(int fd, int64_t size_bytes, const char *backing, const char *format) UD_USE;
/* Put the file onto another backing file: one write of 4 KiB, synced. */
int ud_qcow2_rebase(int fd, const char *backing, const char *format) UD_USE;

/* ---- reading ---- */

typedef struct ud_qcow2_reader ud_qcow2_reader;

/* Open a finished file; fd stays the caller's. */
int ud_qcow2_open(int fd, ud_qcow2_reader **ret) UD_USE;
void ud_qcow2_reader_release(ud_qcow2_reader **reader);
/* Size of the disk. */
int64_t ud_qcow2_size(const ud_qcow2_reader *reader);
/* Name of the backing file; "" when it has none. */
const char *ud_qcow2_backing(const ud_qcow2_reader *reader);
/* Where an extent lies: -1 not in this file, 0 it reads as zeros, else its place. */
int ud_qcow2_find(ud_qcow2_reader *reader, int64_t extent, int64_t *ret_place) UD_USE;
/* Call each for neighbouring extents of a kind in ascending order: place 0 = zeros, else they lie
 * one after the other from there. Stops at a result that is not 0 and returns it. The visitor must
 * not use the same reader. */
typedef int ud_qcow2_visitor(void *data, int64_t extent, int64_t count, int64_t place);
int ud_qcow2_visit(ud_qcow2_reader *reader, ud_qcow2_visitor *visit, void *data) UD_USE;

#endif
