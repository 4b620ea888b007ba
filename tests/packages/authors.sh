# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What plugin authors do, in the tree, with leat-dev from its package alone.

plugins_page() {
  follow plugins && [[ $(grep -c '100% tests passed' "$work/page.out") == 3 ]] && # as cmake's, under its name, in its package
    [[ $(grep -cE '^[1-5]000 [01] \{"op":"insert"' "$work/page.out") == 10 ]] &&
    inside dpkg-query -W -f '${db:Status-Status}' leat-sink-mine | grep -x installed && active leat
}
checker_works() { # the installed checker, with what is installed
  # shellcheck disable=SC2016 # the checker expands it
  script 'printf "directory: \${LEAT_CHECK_DIR}/out\n" >/root/file.yaml
    leat-plugin-check --config /root/file.yaml /usr/lib/*/leat/plugins-1/file.so'
}
# Each example, copied by somebody who is not root, becomes a package; its own tests run, as its Build-Depends ask.
example_package() { # EXAMPLE
  script 'id author >/dev/null 2>&1 || useradd -m author
    rm -rf "/home/author/$1" && mkdir -p "/home/author/$1" && cp -r "/usr/share/doc/leat-dev/examples/$1" "/home/author/$1/" && chown -R author: /home/author
    cd "/home/author/$1/$1" && runuser -u author -- dpkg-buildpackage -us -uc -b' - "$1" &&
    script 'find "/home/author/$1" -name "*.deb" ! -name "*-dbgsym_*" -exec dpkg-deb -f {} Depends \; | grep -F "leat-plugin-abi-1 (>= 1.0)"' - "$1"
}
examples_installed() {
  script 'ls /home/author/*/*.deb | grep -v dbgsym | xargs dpkg -i' && active leat && inside leat plugins &&
    inside leat plugins template && inside leat plugins http && ! inside leat plugins --json | grep '"error"'
}
template_test() { # its own test, against the installed daemon and the installed fake source
  script 'mkdir -p /root/p && cp /usr/lib/*/leat/fakes/fake_source.* /etc/leat/plugins.d/template.yaml /root/p/ &&
    /usr/share/doc/leat-dev/examples/plugin-template/test leat /root/p'
}
# A package that was built against an earlier minor ABI stays through an upgrade and is loaded; one that wants a
# later one is not configured.
earlier_abi() {
  script 'dpkg --force-confold -i /pkg/next/leat_*.deb' && active leat && inside leat version --verbose | grep 'plugin ABI' &&
    inside leat plugins template && inside dpkg-query -W -f '${db:Status-Status}' leat-sink-template | grep -x installed || return 1
  template_test || return 1
  script 'deb=$(ls /home/author/plugin-template/leat-sink-template_*.deb); mkdir -p /root/later
    dpkg-deb -R "$deb" /root/later/x
    sed -i "s/leat-plugin-abi-1 (>= 1.0)/leat-plugin-abi-1 (>= 1.10)/; s/^Version: .*/&+later1/" /root/later/x/DEBIAN/control
    dpkg-deb --root-owner-group -b /root/later/x /root/later/later.deb' || return 1
  inside dpkg -i /root/later/later.deb && return 1
  script 'dpkg -i /home/author/plugin-template/leat-sink-template_*.deb; dpkg --force-confold -i /pkg/leat_*.deb' && active leat &&
    inside leat plugins template
}

# debian/tests, as autopkgtest would run them on what is installed.
smoke() { # TEST
  mkdir -p "$pkgs/tests" && cp "${source_dir:-$root}/debian/tests/$1" "$pkgs/tests/" && script 'cd / && timeout 300 "/pkg/tests/$1" </dev/null' - "$1"
}
