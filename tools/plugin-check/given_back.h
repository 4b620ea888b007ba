/* SPDX-License-Identifier: Apache-2.0
 *
 * given_back.h -- what is left of a plugin after lives of its instance.  [child, main]
 */
#ifndef CHECK_GIVEN_BACK_H
#define CHECK_GIVEN_BACK_H

/* Has `life` lead the subject's instance from create to destroy, again and again, and looks behind
 * each for threads, and in the end for descriptors and memory that grow with their number. */
void given_back_watch(void (*life)(void));

#endif
