# SPDX-License-Identifier: Apache-2.0
# `dh --with leat`, or a Build-Depends on dh-sequence-leat.
use strict;
use warnings;
use Debian::Debhelper::Dh_Lib;

insert_before('dh_gencontrol', 'dh_leat');
1;
