/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* life.c - a driver led through its states in every order that the contract allows. */
#include "conformance.h"

#include <string.h>

/* i init, s start, x exercise, p stop, f finish; each ends in finish by itself. */
static const char *const lives[] = {
	"", "i", "if", "is", "isp", "isx", "isxp", "isps", "isxpsxpsx", "ispspspspspsp", "ifisxpf",
};

static void
live(Case *c, const char *steps)
{
	JfHarness *h = case_make(c, FALSE);
	g_autoptr(GError) error = NULL;

	for (; *steps; steps++) {
		if (*steps == 'i')
			jf_harness_init(h, &error);
		else if (*steps == 's')
			jf_harness_start(h, &error);
		else if (*steps == 'x')
			exercise(h);
		else if (*steps == 'p')
			jf_harness_stop(h);
		else
			break;
		g_assert_no_error(error);
		check_clean(h);
	}
	case_end(h);
	if (*steps)
		live(c, steps + 1);
}

static void
test_zigzag(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);

	for (guint i = 0; i < G_N_ELEMENTS(lives); i++)
		live(c, lives[i]);
}

/* Time, posts and fds go on while an instance is stopped, and reach a state that can start again. */
static void
test_stopped(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	g_autoptr(GError) error = NULL;

	exercise(h);
	jf_harness_stop(h);
	for (guint i = 0; i < 20; i++) {
		jf_harness_poll(h, 0);
		jf_harness_crank(h, TURN_NS);
	}
	pull_all(h);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	exercise(h);
	case_end(h);
}

/* What one does the other does not see. Without a peer of its own the second instance has the same
 * arguments and may be refused what only one can have. */
static void
test_two(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *first = case_start(c, FALSE);
	JfHarness *second = case_make(c, c->subject->peer_arguments != NULL);
	g_autoptr(GError) error = NULL;

	g_assert_true(jf_harness_get_instance(first)->priv !=
		      jf_harness_get_instance(second)->priv);
	if (!jf_harness_init(second, &error) || !jf_harness_start(second, &error)) {
		g_assert_true(error_is_proper(error));
		g_assert_false(c->subject->peer_arguments);
	} else if (!c->subject->peer_arguments) {
		exercise(second);
		g_assert_cmpuint(pull_all(first), ==, 0);
	}
	case_end(second);
	exercise(first);
	case_end(first);
}

void
life_add(const Subject *subject)
{
	add_case(subject, "life/zig-zag", test_zigzag);
	add_case(subject, "life/stopped", test_stopped);
	add_case(subject, "life/two", test_two);
}
