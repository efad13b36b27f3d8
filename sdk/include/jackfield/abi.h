/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* abi.h - version of the plugin contract, symbol visibility, error domain. */
#ifndef JACKFIELD_ABI_H
#define JACKFIELD_ABI_H

#include <glib.h>

G_BEGIN_DECLS

/* A plugin of another major is refused. A minor only adds: to the end of a struct whose size
 * travels with it, or a new interface id. Structs without a size of their own (JfFrame, JfValue)
 * never change within a major. */
#define JF_ABI_MAJOR 1u
#define JF_ABI_MINOR 0u

#if defined(__GNUC__)
#define JF_EXPORT __attribute__((visibility("default")))
#else
#define JF_EXPORT
#endif

/*
 * Errors of the control path (GError). The code says what the caller can do about it:
 *
 * NOT_FOUND    no machine, driver, network or file of that name; the message lists near names
 * KEY          unknown property or option; the message lists near keys
 * VALUE        a value that does not parse or is out of range; the message states the range
 * STATE        not now: running, not running, already there
 * BUSY         somebody else holds it (a port, a file, a name)
 * PERMISSION   the message names the file or privilege to change
 * NETWORK      the far end or the host's network refused
 * UNSUPPORTED  this host, driver or VMM cannot do it
 * PLUGIN       a plugin broke a rule of the contract; the message names file and rule
 * ABI          a plugin of another ABI major
 */
typedef enum {
	JF_ERROR_NOT_FOUND,
	JF_ERROR_KEY,
	JF_ERROR_VALUE,
	JF_ERROR_STATE,
	JF_ERROR_BUSY,
	JF_ERROR_PERMISSION,
	JF_ERROR_NETWORK,
	JF_ERROR_UNSUPPORTED,
	JF_ERROR_PLUGIN,
	JF_ERROR_ABI,
} JfErrorCode;

#define JF_ERROR (jf_error_quark())
JF_EXPORT GQuark jf_error_quark(void);

G_END_DECLS

#endif
