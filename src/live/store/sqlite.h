#pragma once
// Database: one SQLite connection; the only header of ours that knows SQLite.
//
//   Database db = Database::open("journal.db", Database::Access::kReadWrite).value();
//   auto rows = db.query("SELECT id FROM replicas WHERE port = ?", 8000);
//   while (rows && *rows->next()) use(rows->integer(0));
//
// Errors are Results that name the file, what SQLite said and, where there is one, the fix.
// Statements are prepared once a text and kept. Thread-safety: one owner at a time.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tidegate::live {

/// Bytes that are stored as a BLOB, not as text.
struct Blob {
  std::string_view bytes;
};

/// The rows of one query. Lives no longer than its Database, and until the same text is queried
/// again.
class Rows {
 public:
  Rows(sqlite3* db, sqlite3_stmt* statement, std::string_view path)
      : db_(db), statement_(statement), path_(path) {}
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&&) = delete;
  ~Rows();
  /// True: the next row can be read. False: there is none.
  Result<bool> next();
  std::int64_t integer(int column) const;
  std::string bytes(int column) const;  ///< text or blob

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  std::string_view path_;
};

class Database {
 public:
  enum class Access : std::uint8_t { kReadWrite, kReadOnly };
  static Result<Database> open(const std::string& path, Access access);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) = delete;
  ~Database();

  /// Runs one or more statements without parameters or results.
  Result<void> script(const std::string& sql);
  /// Prepares `sql` (kept for the next time) and binds the arguments in order: integers, text,
  /// Blob.
  template <class... Args>
  Result<Rows> query(std::string_view sql, const Args&... args) {
    auto statement = prepare(sql);
    if (!statement) return fail(statement.error());
    int index = 0;
    (bind(*statement, ++index, args), ...);
    return Rows(db_, *statement, path_);
  }
  /// query() for statements without rows.
  template <class... Args>
  Result<void> execute(std::string_view sql, const Args&... args) {
    auto rows = query(sql, args...);
    if (!rows) return fail(rows.error());
    auto stepped = rows->next();
    if (!stepped) return fail(stepped.error());
    return {};
  }
  /// First column of the first row; 0 if there is none.
  Result<std::int64_t> number(std::string_view sql);
  const std::string& path() const { return path_; }

 private:
  Database(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  static void bind(sqlite3_stmt* statement, int index, std::int64_t value);
  static void bind(sqlite3_stmt* statement, int index, std::string_view text);
  static void bind(sqlite3_stmt* statement, int index, Blob blob);

  sqlite3* db_;
  std::string path_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

/// BEGIN IMMEDIATE now; ROLLBACK at the end of the scope unless commit() succeeded.
class Transaction {
 public:
  explicit Transaction(Database& db) : db_(db), begun_(db.script("BEGIN IMMEDIATE")) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  const Result<void>& begun() const { return begun_; }
  Result<void> commit();

 private:
  Database& db_;
  Result<void> begun_;
  bool open_ = true;
};

}  // namespace tidegate::live
