"""The tables of ledger.db (docs/memory.md). A released migration is never edited: add the next."""

from sqlite_utils import Database, Migrations

from edge.core.errors import StoreError

migrations = Migrations("ledger")


@migrations(name="0001_first")
def _first(db: Database) -> None:
    db.executescript(
        """
        create table meta (
            key text primary key not null,
            value text not null
        ) strict;

        create table inspections (
            inspection_id text primary key not null,
            part_id text not null,
            plc_seq integer not null,
            lot text,
            recipe text not null,
            level text not null,
            opened_at text not null,
            deadline_ms integer not null,
            verdict text check (verdict in ('pass', 'rework', 'review')),  -- null: still open
            "by" text,
            reasons text not null default '[]',
            score real,
            opinion text,
            model text,
            latency_ms real,
            revision integer not null default 0,
            closed_at text,
            plc_acked integer not null default 0 check (plc_acked in (0, 1)),
            answer text,
            body text not null,
            unique (part_id, plc_seq),
            check ((verdict is null) = (revision = 0))
        ) strict;
        create index inspections_open on inspections (opened_at) where verdict is null;
        create index inspections_waiting on inspections (opened_at) where verdict = 'review';
        create index inspections_counts on inspections (opened_at, recipe, verdict, "by");

        create table records (
            seq integer primary key autoincrement,
            kind text not null check (kind in ('inspection', 'review', 'event', 'alarm')),
            inspection_id text,
            at text not null,
            body text not null,
            sha256 text not null
        ) strict;
        create index records_inspection on records (inspection_id)
            where inspection_id is not null;
        create trigger records_keep before delete on records
            begin select raise(abort, 'records are append-only'); end;
        create trigger records_stay before update on records
            begin select raise(abort, 'records are append-only'); end;

        create table images (
            inspection_id text not null,
            view text not null,
            kind text not null check (kind in ('frame', 'heatmap')),
            sha256 text not null,
            class text not null check (class in ('pass', 'rework', 'review')),
            bytes integer not null,
            send integer not null check (send in (0, 1)),
            at text not null,
            pruned_at text,
            primary key (inspection_id, view, kind)
        ) strict;
        create index images_file on images (sha256);
        create index images_kept on images (class, at, bytes) where pruned_at is null;
        """
    )


@migrations(name="0002_serial")
def _serial(db: Database) -> None:
    """A serial passes once, whatever the gate believes. `taken_back`: a person said rework of a
    part that had passed, so it may come again."""
    db.executescript(
        """
        alter table inspections add column serial text;
        alter table inspections add column taken_back integer not null default 0
            check (taken_back in (0, 1));
        create index inspections_serial on inspections (serial) where serial is not null;
        create unique index inspections_serial_passed on inspections (serial, recipe)
            where verdict = 'pass' and taken_back = 0 and serial is not null;
        """
    )


def migrate(db: Database) -> None:
    """Bring the tables up to date, each step in its own transaction with its record.

    Raises StoreError if a newer Linegate wrote this database.
    """
    with Database(memory=True) as empty:
        known = [step.name for step in migrations.pending(empty)]
    newer = [step.name for step in migrations.applied(db) if step.name not in known]
    if newer:
        raise StoreError(
            f"the ledger has the newer schema {newer[-1]}, this Linegate knows {known[-1]}: "
            "install the newer Linegate again, or restore a backup of this version"
        )
    migrations.apply(db)
