#!/bin/sh
# For clone switchover --on-event: pauses a database of pgbouncer during the switchover, and points it to the new server.
# The application sees a pause and no error.
#
#   PGBOUNCER_CONSOLE    how psql reaches the console: "host=/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer"
#   PGBOUNCER_DATABASE   the database's name in pgbouncer.ini, where it has one line of its own
#   PGBOUNCER_INI        that file
#   NEW_SERVER           what the line is to say then: "host=db2 port=5432 dbname=shop"
set -eu

console() { psql -XqAt -v ON_ERROR_STOP=1 -d "$PGBOUNCER_CONSOLE" -c "$1" >/dev/null; }

case $WALRELAY_EVENT in
  before-fence)
    # Waits for what is under way, and lets nothing new begin. Undone by itself if the switchover cannot be made.
    console "PAUSE $PGBOUNCER_DATABASE"
    ;;
  released)
    # The old line stays in .before, to go back to.
    cp "$PGBOUNCER_INI" "$PGBOUNCER_INI.before"
    sed "s|^$PGBOUNCER_DATABASE *=.*|$PGBOUNCER_DATABASE = $NEW_SERVER|" "$PGBOUNCER_INI.before" >"$PGBOUNCER_INI"
    console RELOAD
    ;;
  switched)
    console "RESUME $PGBOUNCER_DATABASE"
    ;;
  undone | failed)
    if [ -f "$PGBOUNCER_INI.before" ]; then
      cp "$PGBOUNCER_INI.before" "$PGBOUNCER_INI"
      rm "$PGBOUNCER_INI.before"
      console RELOAD
    fi
    # It is no error when nothing was paused.
    console "RESUME $PGBOUNCER_DATABASE" || true
    ;;
esac
