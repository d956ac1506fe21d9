/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hypervisor in memory, for tests: its VMs are what the test makes, its calls take as long and
 * fail as the test says, and it remembers them. It outlives whoever opens it, as VMs outlive the
 * agent: a test ends an agent, begins another on the same address, and finds what was left. Never
 * part of a shipped agent. Any thread; texts that come back live as long as the hypervisor.
 */
#ifndef TESTS_SUPPORT_SCRIPTED_H
#define TESTS_SUPPORT_SCRIPTED_H

#include "agent/driver.h"

struct scripted;
extern const struct ud_driver scripted_driver;
/* A list for ud_hv_open with this driver alone. */
extern const struct ud_driver *const scripted_drivers[];

/* A new empty hypervisor, known as "scripted:NAME" until it ends. Names are unique in a program. */
struct scripted *scripted_begin(const char *name);
/* Ends it and the processes of its VMs. Nobody may have it open. */
void scripted_end(struct scripted *s);
const char *scripted_uri(const struct scripted *s);

/*
 * A VM that is off: two disks of 1 GiB (vda, vdb), one card, a guest agent that answers once it
 * runs. Its UUID follows from the number: scripted_uuid(1).
 */
void scripted_add(struct scripted *s, const char *uuid, const char *name);
/* "00000000-0000-4000-8000-00000000000N". */
const char *scripted_uuid(struct scripted *s, int n);
/* Change a VM by hand; what changes is told like any event. change runs under the lock. */
void scripted_change(struct scripted *s, const char *uuid,
	void (*change)(void *data, struct ud_machine *machine), void *data);
/* Take a VM away, as a person with the hypervisor's own tools would. */
void scripted_forget(struct scripted *s, const char *uuid);
/* Change the power of a VM from outside: a crash, a person with the hypervisor's own tools. */
void scripted_set_power(struct scripted *s, const char *uuid, enum ud_power power);
/* The power of a VM; UD_POWER_UNKNOWN when there is none. */
enum ud_power scripted_power(struct scripted *s, const char *uuid);
/* Does the guest obey a request to shut down? The standard is yes. */
void scripted_deaf(struct scripted *s, const char *uuid, bool deaf);
/* What a program prints that is run inside a guest, and its exit status. The standard: "", 0. */
void scripted_says(struct scripted *s, const char *uuid, const char *output, int status);
/* From now on each VM that runs is a process of its own, which a lease guard can hold and kill. */
void scripted_processes(struct scripted *s);
/* The host boots: all VMs are off but those with autostart, and its boot id is another. */
void scripted_boot(struct scripted *s);
/*
 * Replication: hypervisors find each other by the agents' ids. A relation's source makes its first
 * point as soon as both ends are set, and further ones when the test says so.
 */
void scripted_agent(struct scripted *s, const char *agent_id);
/* The guest writes: what it holds from now on is newer than any point. */
void scripted_write(struct scripted *s, const char *uuid);
/* How often it has written, as its disks know: goes back with them to a point's. */
int64_t scripted_content(struct scripted *s, const char *uuid);
/* Make a point now; ages and instants by the clock of cx. UD_E_UNAVAILABLE: the link is cut. */
enum ud_code scripted_cycle(struct ud_ctx *cx, struct scripted *s, const char *replication_id)
	UD_USE;
/* Cut the link of this host to all peers, or mend it. */
void scripted_cut(struct scripted *s, bool cut);

/* A proof of a point goes on until it must not. */
void scripted_patient(struct scripted *s);

/* What the host says of itself, to be changed before it is opened. */
struct ud_host_facts *scripted_facts(struct scripted *s);

/* The next `times` calls of a slot fail with this code before they do anything; -1 = all. */
void scripted_fail(struct scripted *s, const char *slot, enum ud_code code, int times);
/* The next `times` calls do their work and then fail all the same. */
void scripted_fail_after(struct scripted *s, const char *slot, enum ud_code code, int times);
/* Calls of a slot take so long. 0 = none. */
void scripted_delay(struct scripted *s, const char *slot, int64_t ms);
/* Calls of a slot stop before they do anything, until they are released. */
void scripted_hold(struct scripted *s, const char *slot);
void scripted_release(struct scripted *s, const char *slot);
/* Wait until so many calls of a slot were begun (held ones count); false after 10 s. */
bool scripted_await(struct scripted *s, const char *slot, int calls);
/* Calls of a slot so far. */
int scripted_calls(struct scripted *s, const char *slot);
/* All calls but those that only look, one a line: "start 0000…0001". */
const char *scripted_log(struct scripted *s);
/* How often calls of a slot changed something that they could change once more: a guest's power, a
 * checkpoint, a point. What is only set, again and again, to the same is none. */
typedef void scripted_effect(void *data, const char *slot, int effects);
void scripted_effects(struct scripted *s, scripted_effect *each, void *data);
/*
 * Ask whoever makes the calls whether he is still alive: at the beginning of a call that only looks
 * (LOOKING), and before and after one that changes something. False: the call fails with
 * UD_E_UNAVAILABLE. lives runs under the lock.
 */
enum scripted_when { SCRIPTED_LOOKING, SCRIPTED_BEFORE, SCRIPTED_AFTER };
typedef bool scripted_lives(void *data, const char *slot, enum scripted_when when);
void scripted_watch(struct scripted *s, scripted_lives *lives, void *data);
/* For lives: has whoever opened it last been told to replicate? Before that a hypervisor knows of
 * no relation that an earlier process has made. */
bool scripted_replicates(const struct scripted *s);
/* All that stands here, as text: VMs with power, content, limits, files and checkpoints; relations
 * with their newest point; tests. Without ids that chance has made. */
const char *scripted_digest(struct scripted *s);
/* Forget the calls, effects, failures, delays and holds so far. */
void scripted_forgive(struct scripted *s);

#endif
