/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs.
 */
#include "agent/verbs.h"

#include <string.h>

#include "base/replication.h"
#include "base/verbs.h"

enum {
	AGAIN = UD_VERB_REPEATABLE,
	ALWAYS = UD_VERB_REPEATABLE | UD_VERB_QUARANTINE,
	RAISES = UD_VERB_RAISES,
	SEEN = UD_VERB_SEEN,
	STEP = UD_VERB_TICKET
};

/* clang-format off */
const struct ud_verb ud_agent_verbs[] = {
	/* verb                     args                       flags                  run                      look */
	{ UD_VERB_VM_START,          NULL,                      AGAIN | SEEN,          ud_do_vm_start,          NULL },
	{ UD_VERB_VM_SHUTDOWN,       &ud_shutdown_args_shape,   ALWAYS | SEEN,         ud_do_vm_shutdown,       NULL },
	{ UD_VERB_VM_POWER_OFF,      NULL,                      ALWAYS | SEEN,         ud_do_vm_power_off,      NULL },
	{ UD_VERB_VM_SAVE,           NULL,                      AGAIN | SEEN,          ud_do_vm_save,           NULL },
	{ UD_VERB_VM_PAUSE,          NULL,                      AGAIN | SEEN,          ud_do_vm_pause,          NULL },
	{ UD_VERB_VM_RESUME,         NULL,                      AGAIN | SEEN,          ud_do_vm_resume,         NULL },
	{ UD_VERB_VM_RESET,          NULL,                      SEEN,                  ud_do_vm_reset,          NULL },
	{ UD_VERB_VM_RUN,            &ud_guest_args_shape,      0,                     ud_do_vm_run,            NULL },
	{ UD_VERB_VM_WRITE_FILE,     &ud_guest_file_shape,      AGAIN,                 ud_do_vm_write_file,     NULL },
	{ UD_VERB_VM_READ_FILE,      &ud_guest_path_shape,      AGAIN,                 ud_do_vm_read_file,      NULL },
	{ UD_VERB_VM_DEFINITION,     NULL,                      ALWAYS,                ud_do_vm_definition,     NULL },
	{ UD_VERB_VM_DIAGNOSE,       NULL,                      ALWAYS,                ud_do_vm_diagnose,       NULL },
	{ UD_VERB_VM_SCREENSHOT,     NULL,                      ALWAYS,                ud_do_vm_screenshot,     NULL },
	{ UD_VERB_VM_LIMITS,         &ud_vm_limits_shape,       AGAIN,                 ud_do_vm_limits,         NULL },
	{ UD_VERB_CHECKPOINT_CREATE, &ud_checkpoint_args_shape, 0,                     ud_do_checkpoint_create, ud_look_checkpoint_create },
	{ UD_VERB_CHECKPOINT_LIST,   NULL,                      ALWAYS,                ud_do_checkpoint_list,   NULL },
	{ UD_VERB_CHECKPOINT_APPLY,  &ud_checkpoint_name_shape, AGAIN | SEEN,          ud_do_checkpoint_apply,  NULL },
	{ UD_VERB_CHECKPOINT_DELETE, &ud_checkpoint_name_shape, AGAIN,                 ud_do_checkpoint_delete, NULL },
	{ UD_VERB_HOST_DIAGNOSE,     NULL,                      ALWAYS | UD_VERB_HOST, ud_do_host_diagnose,     NULL },
	{ UD_VERB_HOST_LOGS,         &ud_logs_args_shape,       ALWAYS | UD_VERB_HOST, ud_do_host_logs,         NULL },
	{ UD_VERB_HOST_BALANCE,      &ud_host_balance_shape,    AGAIN | UD_VERB_HOST,  ud_do_host_balance,      NULL },
	{ UD_VERB_HOST_TEAM,         &ud_host_team_shape,       AGAIN | UD_VERB_HOST,  ud_do_host_team,         NULL },
	{ UD_VERB_VM_UPGRADE,        NULL,                      AGAIN | SEEN,          ud_do_vm_upgrade,        NULL },
	{ UD_VERB_PROTECT,           &ud_protect_args_shape,    AGAIN | RAISES,        ud_do_protect,           NULL },
	{ UD_VERB_STOP,              &ud_stop_args_shape,       STEP | ALWAYS,         ud_do_stop,              NULL },
	{ UD_VERB_SYNC,              &ud_sync_args_shape,       STEP | ALWAYS,         ud_do_sync,              NULL },
	{ UD_VERB_FENCE,             &ud_fence_args_shape,      STEP | ALWAYS,         ud_do_fence,             NULL },
	{ UD_VERB_PROMOTE,           &ud_promote_args_shape,    STEP | AGAIN | RAISES, ud_do_promote,           NULL },
	{ UD_VERB_DEMOTE,            &ud_demote_args_shape,     STEP | ALWAYS | RAISES, ud_do_demote,           NULL },
	{ UD_VERB_RESUME,            NULL,                      STEP | AGAIN,          ud_do_resume,            NULL },
	{ UD_VERB_COMPLETE,          &ud_relation_args_shape,   STEP | AGAIN,          ud_do_complete,          NULL },
	{ UD_VERB_REVERT,            &ud_relation_args_shape,   STEP | AGAIN,          ud_do_revert,            NULL },
	{ UD_VERB_TEST_START,        &ud_test_start_args_shape, STEP | AGAIN,          ud_do_test_start,        NULL },
	{ UD_VERB_TEST_DROP,         &ud_test_args_shape,       STEP | ALWAYS,         ud_do_test_drop,         NULL },
	{ UD_VERB_BOOT_CHECK,        &ud_check_args_shape,      STEP | ALWAYS,         ud_do_boot_check,        NULL },
	{ UD_VERB_SET_ADDRESSES,     &ud_addresses_args_shape,  STEP | AGAIN,          ud_do_set_addresses,     NULL },
	{ UD_VERB_STEP_SCRIPT,       &ud_guest_args_shape,      STEP,                  ud_do_step_script,       NULL },
	{ UD_VERB_RELATION_SET,      &ud_relation_shape,        ALWAYS | RAISES,       ud_do_relation_set,      NULL },
	{ UD_VERB_RELATION_RESYNC,   &ud_relation_resync_shape, AGAIN,                 ud_do_relation_resync,   NULL },
	{ UD_VERB_RELATION_DROP,     &ud_relation_drop_shape,   AGAIN,                 ud_do_relation_drop,     NULL },
	{ UD_VERB_RELATION_TEST,     &ud_relation_test_shape,   ALWAYS,                ud_do_relation_test,     NULL },
	{ UD_VERB_POINT_VERIFY,      &ud_point_verify_shape,    ALWAYS,                ud_do_point_verify,      NULL },
	{ NULL, NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct ud_verb *ud_verb_find(const struct ud_verb *table, const char *verb)
{
	for (const struct ud_verb *v = table; v->verb; v++)
		if (strcmp(v->verb, verb) == 0)
			return v;
	return NULL;
}

void ud_act_leave(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_shape *shape, const void *result)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, shape, result, NULL);
	act->result = ud_buf_take(cx->arena, &b);
}
