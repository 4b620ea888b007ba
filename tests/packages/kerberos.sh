# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A realm of our own in the tree: PostgreSQL takes the ticket of leat@LEAT.TEST, which the daemon gets inside the
# unit's sandbox, as docs/install.md says: from a keytab in a credential, or out of a cache that others fill.

realm() {
  write /etc/krb5.conf <<'CONF'
[libdefaults]
  default_realm = LEAT.TEST
  dns_lookup_realm = false
  dns_lookup_kdc = false
  rdns = false
[realms]
  LEAT.TEST = {
    kdc = 127.0.0.1:20088
  }
[domain_realm]
  localhost = LEAT.TEST
CONF
  write /etc/krb5kdc/kdc.conf <<'CONF'
[kdcdefaults]
  kdc_listen = 127.0.0.1:20088
  kdc_tcp_listen = 127.0.0.1:20088
[realms]
  LEAT.TEST = {
    database_name = /var/lib/krb5kdc/principal
    key_stash_file = /etc/krb5kdc/stash
    max_life = 10h
  }
CONF
  script 'systemctl stop krb5-kdc 2>/dev/null || :
    kdb5_util create -s -r LEAT.TEST -P "of the test"
    kadmin.local -q "addprinc -randkey leat@LEAT.TEST"
    kadmin.local -q "addprinc -randkey postgres/localhost@LEAT.TEST"
    kadmin.local -q "ktadd -k /srv/postgres.keytab postgres/localhost@LEAT.TEST"
    kadmin.local -q "ktadd -k /etc/leat/secrets/leat.keytab leat@LEAT.TEST"
    chown postgres /srv/postgres.keytab; chmod 0600 /srv/postgres.keytab /etc/leat/secrets/leat.keytab
    systemctl restart krb5-kdc' &&
    sql -c "ALTER SYSTEM SET krb_server_keyfile = '/srv/postgres.keytab'" || return 1
  # Nothing but a ticket opens this door: TCP, for the role leat.
  script 'hba=$(ls /etc/postgresql/*/main/pg_hba.conf)
    sed -i "1i host replication,postgres leat ::1/128 gss include_realm=0 krb_realm=LEAT.TEST\nhost all leat ::1/128 gss include_realm=0 krb_realm=LEAT.TEST" "$hba"
    systemctl restart postgresql'
}
by_ticket() { # NAME: the stream came in by it
  sql -c "SELECT principal, encrypted FROM pg_stat_gssapi JOIN pg_replication_slots ON active_pid = pid
    WHERE slot_name = 'sandbox_$1' AND gss_authenticated" | tee /dev/stderr | grep -q '^leat@LEAT.TEST|t'
}
ticket_dsn='host=localhost hostaddr=::1 dbname=postgres user=leat gssencmode=require'

kerberos_keytab() {
  drop_in leat@keytab x <<'UNIT' || return 1
[Service]
LoadCredential=keytab:/etc/leat/secrets/leat.keytab
Environment=KRB5_CLIENT_KTNAME=FILE:%d/keytab KRB5CCNAME=MEMORY:
UNIT
  begin keytab "$ticket_dsn" '{ plugin: file, directory: /var/lib/leat/keytab/out }' && delivered keytab && by_ticket keytab &&
    all_ids script 'cat /var/lib/leat/keytab/out/*'
}
kerberos_cache() { # filled from outside, as by k5start or a timer
  inside kinit -k -t /etc/leat/secrets/leat.keytab -c /var/lib/leat/krb5cc leat@LEAT.TEST && inside chown leat: /var/lib/leat/krb5cc || return 1
  drop_in leat@cache x <<<$'[Service]\nEnvironment=KRB5CCNAME=FILE:/var/lib/leat/krb5cc' &&
    begin cache "$ticket_dsn" '{ plugin: file, directory: /var/lib/leat/cache/out }' && delivered cache && by_ticket cache &&
    all_ids script 'cat /var/lib/leat/cache/out/*'
}
kerberos_none() { # and without one nobody comes in: the checks above have tried a ticket
  write /etc/leat/noticket.yaml <<YAML
pipelines:
  - name: noticket
    source: { plugin: pgoutput, dsn: "host=localhost hostaddr=::1 dbname=postgres user=leat", slot: sandbox_noticket, publication: leat }
    sinks: [{ plugin: file, directory: /var/lib/leat/noticket/out }]
YAML
  ! inside runuser -u leat -- leat check -c /etc/leat/noticket.yaml >"$work/noticket" 2>&1
  local result=$?
  cat "$work/noticket"
  ((result == 0)) && grep -qi 'gss' "$work/noticket"
}
