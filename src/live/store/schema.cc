#include "live/store/schema.h"

#include <string>

namespace tidegate::live {
namespace {

constexpr std::int64_t kApplicationId =
    0x54494445;  // "TIDE": tells our file from other SQLite files

// decisions_of: newest first of one model, filtered by time, without touching the blobs.
constexpr const char* kTables = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('run', 0), ('instant', 0), ('replica', 0);
CREATE TABLE decisions(id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL,
  wall INTEGER NOT NULL, repeats INTEGER NOT NULL, spec INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX decisions_of ON decisions(model, id, wall);
CREATE INDEX decisions_by_spec ON decisions(spec);
CREATE TABLE outcomes(id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL,
  sequence INTEGER NOT NULL, variant TEXT NOT NULL, replicas INTEGER NOT NULL, ok INTEGER NOT NULL,
  detail TEXT NOT NULL, wall INTEGER NOT NULL);
CREATE INDEX outcomes_of ON outcomes(model, sequence);
CREATE TABLE announces(id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL,
  wall INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE specs(hash INTEGER PRIMARY KEY, run INTEGER NOT NULL, yaml TEXT NOT NULL);
CREATE TABLE starts(model TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE replicas(id INTEGER PRIMARY KEY, model TEXT NOT NULL, variant TEXT NOT NULL,
  port INTEGER NOT NULL, pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL,
  command_hash INTEGER NOT NULL, devices TEXT NOT NULL, time_scale_micro INTEGER NOT NULL,
  state TEXT NOT NULL, ordered_at INTEGER NOT NULL);
)sql";

Result<void> create(Database& db) {
  Transaction transaction(db);
  if (!transaction.begun()) return transaction.begun();
  if (auto made = db.script(kTables); !made) return made;
  if (auto set = db.script("PRAGMA application_id = " + std::to_string(kApplicationId) +
                           "; PRAGMA user_version = " + std::to_string(kSchemaVersion));
      !set) {
    return set;
  }
  return transaction.commit();
}

}  // namespace

Result<void> open_schema(Database& db, Database::Access access) {
  // The first read is where SQLite notices that a file is not one of its own.
  auto objects = db.number("SELECT count(*) FROM sqlite_master");
  if (!objects) return fail(objects.error());
  bool read_only = access == Database::Access::kReadOnly;
  if (!read_only) {
    // auto_vacuum takes effect only before the first table; WAL is kept in the file.
    if (auto set = db.script("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL"); !set) {
      return set;
    }
  }
  if (*objects == 0) {
    return read_only ? fail("journal " + db.path() + ": empty, nothing was recorded yet")
                     : create(db);
  }
  auto application = db.number("PRAGMA application_id");
  if (!application) return fail(application.error());
  if (*application != kApplicationId) {
    return fail("journal " + db.path() + ": a database of another program; name another file");
  }
  auto version = db.number("PRAGMA user_version");
  if (!version) return fail(version.error());
  if (*version != kSchemaVersion) {
    return fail("journal " + db.path() + ": written by a newer tidegate (schema " +
                std::to_string(*version) + ", this one knows " + std::to_string(kSchemaVersion) +
                "); use that version, or name another file");
  }
  return {};
}

}  // namespace tidegate::live
