#pragma once
// The page both reports of `tidegate calibrate` begin with: one HTML file, no network.
//
//   std::string page = page_head(profile.name, "circle{fill:#5b6b7c}");
//
// `title` is escaped here; `style` is CSS of ours for what only this page draws. Thread-safety:
// functions.

#include <string>
#include <string_view>

namespace tidegate::cli {

/// Up to and with its <h1>; "</html>" ends it.
std::string page_head(std::string_view title, std::string_view style);

}  // namespace tidegate::cli
