/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of verbs.h.
 */
#include "base/verbs.h"

static const char *const kind_names[] = { "production", "standard" };
const struct ud_enum ud_checkpoint_kinds = { "checkpoint_kind", kind_names, UD_LEN(kind_names) };

/* a result goes into one message of UD_WIRE_TEXT bytes, escaped */
enum { NAME = 128, PATH = 4096, WORDS = 64, TEXT = 800 << 10, HOUR = 3600 };

/* clang-format off */
static const struct ud_field power_fields[] = {
	UD_FIELD(ud_power_result, power,     .flags = UD_REQUIRED, .values = &ud_powers, .about = "Power seen afterwards."),
	UD_FIELD(ud_power_result, power_raw, .about = "The hypervisor's word for it."),
	UD_FIELD(ud_power_result, forced,    .about = "Switched off after the guest did not obey."),
};
static const struct ud_field shutdown_fields[] = {
	UD_FIELD(ud_shutdown_args, timeout_seconds, .min = 1, .max = HOUR, .standard = 120, .about = "Time for the guest to shut down."),
	UD_FIELD(ud_shutdown_args, hard,            .about = "Switch it off when it does not."),
};
static const struct ud_field guest_args_fields[] = {
	UD_FIELD(ud_guest_args, program,         .flags = UD_REQUIRED, .max = PATH, .about = "Path of the program inside the guest."),
	UD_FIELD(ud_guest_args, arguments,       .max = WORDS, .about = "Its arguments."),
	UD_FIELD(ud_guest_args, input,           .max = 65536, .about = "Its standard input."),
	UD_FIELD(ud_guest_args, timeout_seconds, .min = 1, .max = HOUR, .standard = 60, .about = "Time for it to end."),
};
static const struct ud_field guest_result_fields[] = {
	UD_FIELD(ud_guest_result, exit_status,  .flags = UD_REQUIRED, .about = "Exit status, or 128 and the signal."),
	UD_FIELD(ud_guest_result, output,       .max = TEXT, .about = "Standard output."),
	UD_FIELD(ud_guest_result, error_output, .max = TEXT, .about = "Standard error."),
	UD_FIELD(ud_guest_result, cut,          .about = "There was more."),
};
static const struct ud_field file_fields[] = {
	UD_FIELD(ud_guest_file, path,    .flags = UD_REQUIRED, .max = PATH, .about = "Path of the file inside the guest."),
	UD_FIELD(ud_guest_file, content, .flags = UD_REQUIRED, .max = 65536, .about = "What it holds, as base64url (RFC 4648 5); 48 KiB at most."),
};
static const struct ud_field path_fields[] = {
	UD_FIELD(ud_guest_path, path, .flags = UD_REQUIRED, .max = PATH, .about = "Path of the file inside the guest."),
};
static const struct ud_field checkpoint_fields[] = {
	UD_FIELD(ud_checkpoint_args, name, .flags = UD_REQUIRED, .max = NAME, .about = "Name of the checkpoint."),
	UD_FIELD(ud_checkpoint_args, kind, .values = &ud_checkpoint_kinds, .about = "Disks of a frozen guest, or memory too."),
};
static const struct ud_field name_fields[] = {
	UD_FIELD(ud_checkpoint_name, name, .flags = UD_REQUIRED, .max = NAME, .about = "Name of the checkpoint."),
};
static const struct ud_field checkpoints_fields[] = {
	UD_FIELD(ud_checkpoints, checkpoints, .max = TEXT, .about = "The VM's checkpoints."),
};
static const struct ud_field text_fields[] = {
	UD_FIELD(ud_text_result, text, .max = TEXT, .about = "What was found."),
};
static const struct ud_field picture_fields[] = {
	UD_FIELD(ud_picture, png, .flags = UD_REQUIRED, .max = TEXT, .about = "The picture, PNG in base64url."),
};
static const struct ud_field upgraded_fields[] = {
	UD_FIELD(ud_upgraded, version, .max = NAME, .about = "Version of the VM's definition."),
};
static const struct ud_field logs_fields[] = {
	UD_FIELD(ud_logs_args, lines, .min = 1, .max = 1000, .standard = 200, .about = "The newest so many lines."),
};
/* clang-format on */
const struct ud_shape ud_power_result_shape = { UD_SHAPE(ud_power_result, power_fields),
	.bare = true };
const struct ud_shape ud_shutdown_args_shape = { UD_SHAPE(ud_shutdown_args, shutdown_fields),
	.bare = true };
const struct ud_shape ud_guest_args_shape = { UD_SHAPE(ud_guest_args, guest_args_fields),
	.bare = true };
const struct ud_shape ud_guest_result_shape = { UD_SHAPE(ud_guest_result, guest_result_fields),
	.bare = true };
const struct ud_shape ud_guest_file_shape = { UD_SHAPE(ud_guest_file, file_fields), .bare = true };
const struct ud_shape ud_guest_path_shape = { UD_SHAPE(ud_guest_path, path_fields), .bare = true };
const struct ud_shape ud_checkpoint_args_shape = { UD_SHAPE(ud_checkpoint_args, checkpoint_fields),
	.bare = true };
const struct ud_shape ud_checkpoint_name_shape = { UD_SHAPE(ud_checkpoint_name, name_fields),
	.bare = true };
const struct ud_shape ud_checkpoints_shape = { UD_SHAPE(ud_checkpoints, checkpoints_fields),
	.bare = true };
const struct ud_shape ud_text_result_shape = { UD_SHAPE(ud_text_result, text_fields),
	.bare = true };
const struct ud_shape ud_picture_shape = { UD_SHAPE(ud_picture, picture_fields), .bare = true };
const struct ud_shape ud_upgraded_shape = { UD_SHAPE(ud_upgraded, upgraded_fields), .bare = true };
const struct ud_shape ud_logs_args_shape = { UD_SHAPE(ud_logs_args, logs_fields), .bare = true };
