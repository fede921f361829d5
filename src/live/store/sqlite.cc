#include "live/store/sqlite.h"

#include <sqlite3.h>

namespace tidegate::live {
namespace {

Error describe(sqlite3* db, int code, std::string_view path) {
  std::string text = "journal " + std::string(path) + ": ";
  switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return {
          text + "the file is damaged (" + sqlite3_errstr(code) +
          "); move it away and start again: decisions so far are lost, and engines that still run "
          "must be stopped by hand"};
    case SQLITE_FULL:
      return {text + "no space left to write; free disk space"};
    case SQLITE_CANTOPEN:
      return {text + "cannot open the file; check that the directory exists and may be written"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {text + "the file may not be written; check its owner and mode"};
    default:
      return {text + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code))};
  }
}

}  // namespace

Rows::Rows(Rows&& other) noexcept
    : db_(other.db_), statement_(other.statement_), path_(other.path_) {
  other.statement_ = nullptr;
}

Rows::~Rows() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Result<bool> Rows::next() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(describe(db_, code, path_));
}

std::int64_t Rows::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Rows::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

Result<Database> Database::open(const std::string& path, Access access) {
  int flags = access == Access::kReadOnly ? SQLITE_OPEN_READONLY
                                          : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    Error error = describe(db, code, path);
    sqlite3_close_v2(db);
    return fail(std::move(error));
  }
  sqlite3_busy_timeout(db, 5'000);  // another connection of ours commits within milliseconds
  return Database(db, path);
}

Database::Database(Database&& other) noexcept
    : db_(other.db_), path_(std::move(other.path_)), statements_(std::move(other.statements_)) {
  other.db_ = nullptr;
  other.statements_.clear();
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

Result<void> Database::script(const std::string& sql) {
  int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(describe(db_, code, path_));
  return {};
}

Result<std::int64_t> Database::number(std::string_view sql) {
  auto rows = query(sql);
  if (!rows) return fail(rows.error());
  auto row = rows->next();
  if (!row) return fail(row.error());
  return *row ? rows->integer(0) : 0;
}

Result<sqlite3_stmt*> Database::prepare(std::string_view sql) {
  auto [it, fresh] = statements_.try_emplace(std::string(sql), nullptr);
  if (fresh) {
    int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                  SQLITE_PREPARE_PERSISTENT, &it->second, nullptr);
    if (code != SQLITE_OK) {
      statements_.erase(it);
      return fail(describe(db_, code, path_));
    }
  }
  return it->second;
}

void Database::bind(sqlite3_stmt* statement, int index, std::int64_t value) {
  sqlite3_bind_int64(statement, index, value);
}
void Database::bind(sqlite3_stmt* statement, int index, std::string_view text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}
void Database::bind(sqlite3_stmt* statement, int index, Blob blob) {
  sqlite3_bind_blob(statement, index, blob.bytes.data(), static_cast<int>(blob.bytes.size()),
                    SQLITE_TRANSIENT);
}

Transaction::~Transaction() {
  // SQLite itself rolls back on some errors (a full disk); a second ROLLBACK then fails harmlessly.
  if (open_ && begun_) (void)db_.script("ROLLBACK");
}

Result<void> Transaction::commit() {
  if (!begun_) return begun_;
  auto done = db_.script("COMMIT");
  if (done) open_ = false;
  return done;
}

}  // namespace tidegate::live
