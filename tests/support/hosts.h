/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts with a hypervisor of their own, for tests with real guests: a process each, because an
 * embedded libvirt takes one root per process. The test hands it work: a function of this program
 * that runs over there, with a text in and a text out. Begin all hosts before the test opens a
 * hypervisor or starts a thread itself.
 */
#ifndef TESTS_SUPPORT_HOSTS_H
#define TESTS_SUPPORT_HOSTS_H

#include "support/ends.h"
#include "support/guests.h"

/* The host as its own process sees it. */
struct host;
struct host_inside {
	struct ud_ctx *cx; /* its arena lasts for one piece of work */
	struct ud_hv *hv;
	int port; /* of its receiver */
	const struct host *host;
};
/* Work; ret_out in the arena, NULL = "". */
typedef enum ud_code host_work(struct host_inside *h, const char *in, const char **ret_out);

/* What is killed at a step of its replication (agent/driver.h), when it comes there the nth time.
 * HOST_LATER: in the midst of what follows, as soon as libvirt has noted that it begins a backup of
 * the guest, or so much later. */
enum host_victim { HOST_ITSELF = 1, HOST_QEMU = 2, HOST_LATER = 4 };
struct host_trap {
	const char *step; /* NULL = none */
	int nth;
	unsigned victims; /* of enum host_victim */
	int late_us;      /* with HOST_LATER */
};

struct host {
	const char *name, *agent_id, *identity, *root;
	const struct guests *guests;
	struct host_trap trap;  /* for the next process; host_arm for this one */
	int64_t scrub_every_ms; /* for the next process; 0 = replicas are not read by themselves */
	int pid, fd, port;
};

/* Start a host; its folder for media is media-NAME beside its root; it listens for points on a port
 * of 127.0.0.1. */
void host_begin(struct ud_ctx *cx, const struct guests *g, const struct ends_authority *a,
	const char *name, const char *agent_id, struct host *ret);
/* End its process in good order; its guests go on. */
void host_end(struct host *h);
/* Kill its process, and start it again on what is there. */
void host_kill(struct host *h);
void host_again(struct ud_ctx *cx, struct host *h);
/* Lay a trap in the process as it runs. */
void host_arm(struct ud_ctx *cx, struct host *h, struct host_trap trap);
/* Wait until it has sprung: the process, or its QEMU, is dead. False: not within the time. */
bool host_sprung(struct host *h, int64_t timeout_ms);
/* Do the work over there; *ret_out (may be NULL) in cx's arena: what came out, or the reason. */
enum ud_code host_do(
	struct ud_ctx *cx, struct host *h, host_work *work, const char *in, const char **ret_out);
/* The same; fails the test with the reason when it does not work. */
const char *host_must(struct ud_ctx *cx, struct host *h, host_work *work, const char *in);

#endif
