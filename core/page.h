/* SPDX-License-Identifier: Apache-2.0
 *
 * page.h -- the page of the admin endpoint, page/index.html as the build embeds it.  [any]
 */
#ifndef LEAT_PAGE_H
#define LEAT_PAGE_H

extern const char page_html[]; /* NUL-terminated */

#endif
