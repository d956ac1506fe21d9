/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server asks of a host beside failovers and replication: power and care of VMs, and
 * questions about the host itself. Names of the verbs, shapes of their arguments and results. All
 * begin with what they are about, so that none is mistaken for a step of a failover.
 */
#ifndef BASE_VERBS_H
#define BASE_VERBS_H

#include "base/machine.h"

#define UD_VERB_VM_START "vm_start"
#define UD_VERB_VM_SHUTDOWN "vm_shutdown"
#define UD_VERB_VM_POWER_OFF "vm_power_off"
#define UD_VERB_VM_SAVE "vm_save"
#define UD_VERB_VM_PAUSE "vm_pause"
#define UD_VERB_VM_RESUME "vm_resume"
#define UD_VERB_VM_RESET "vm_reset"
#define UD_VERB_VM_RUN "vm_run"
#define UD_VERB_VM_WRITE_FILE "vm_write_file"
#define UD_VERB_VM_READ_FILE "vm_read_file"
#define UD_VERB_VM_DEFINITION "vm_definition"
#define UD_VERB_VM_DIAGNOSE "vm_diagnose"
#define UD_VERB_VM_SCREENSHOT "vm_screenshot"
#define UD_VERB_VM_LIMITS "vm_limits"
#define UD_VERB_CHECKPOINT_CREATE "checkpoint_create"
#define UD_VERB_CHECKPOINT_LIST "checkpoint_list"
#define UD_VERB_CHECKPOINT_APPLY "checkpoint_apply"
#define UD_VERB_CHECKPOINT_DELETE "checkpoint_delete"
#define UD_VERB_HOST_DIAGNOSE "host_diagnose"
#define UD_VERB_HOST_LOGS "host_logs"
#define UD_VERB_HOST_BALANCE "host_balance"
#define UD_VERB_HOST_TEAM "host_team"
#define UD_VERB_VM_UPGRADE "vm_upgrade"
/* a step of a plan: a program of the host itself; program is the name of a file in its folder */
#define UD_VERB_STEP_SCRIPT "step_script"

/* The answer of all verbs of power: what was seen after it. */
struct ud_power_result {
	unsigned power; /* enum ud_power */
	const char *power_raw;
	bool forced; /* it was switched off after the guest did not obey */
};
extern const struct ud_shape ud_power_result_shape;

/* vm_shutdown: ask the guest. */
struct ud_shutdown_args {
	int64_t timeout_seconds;
	bool hard; /* switch it off after that; else the verb fails */
};
extern const struct ud_shape ud_shutdown_args_shape;

/* vm_run: a program inside the guest, by its guest agent. */
struct ud_guest_args {
	const char *program; /* path inside the guest */
	struct ud_texts arguments;
	const char *input; /* its standard input; NULL = none */
	int64_t timeout_seconds;
};
extern const struct ud_shape ud_guest_args_shape;
struct ud_guest_result {
	int64_t exit_status; /* 128 + signal */
	const char *output, *error_output;
	bool cut; /* there was more */
};
extern const struct ud_shape ud_guest_result_shape;

/* vm_write_file, vm_read_file: a small file of the guest, by its guest agent. */
struct ud_guest_file {
	const char *path, *content; /* content: base64url */
};
extern const struct ud_shape ud_guest_file_shape;
struct ud_guest_path {
	const char *path;
};
extern const struct ud_shape ud_guest_path_shape;

/* checkpoint_create; the others take the name alone. */
struct ud_checkpoint_args {
	const char *name;
	unsigned kind; /* enum ud_checkpoint_kind */
};
enum ud_checkpoint_kind { UD_CHECKPOINT_PRODUCTION, UD_CHECKPOINT_STANDARD };
extern const struct ud_enum ud_checkpoint_kinds;
extern const struct ud_shape ud_checkpoint_args_shape;
struct ud_checkpoint_name {
	const char *name;
};
extern const struct ud_shape ud_checkpoint_name_shape;
/* checkpoint_list. */
struct ud_checkpoints {
	struct ud_json checkpoints; /* list of ud_checkpoint_info */
};
extern const struct ud_shape ud_checkpoints_shape;

/* Texts that come back: vm_diagnose and host_diagnose (sections), host_logs (lines),
 * vm_definition. */
struct ud_text_result {
	const char *text;
};
extern const struct ud_shape ud_text_result_shape;
/* vm_screenshot. */
struct ud_picture {
	const char *png; /* base64url */
};
extern const struct ud_shape ud_picture_shape;
/* vm_upgrade: what the VM's definition is now. */
struct ud_upgraded {
	const char *version;
};
extern const struct ud_shape ud_upgraded_shape;
/* host_logs. */
struct ud_logs_args {
	int64_t lines; /* the newest so many */
};
extern const struct ud_shape ud_logs_args_shape;

#endif
