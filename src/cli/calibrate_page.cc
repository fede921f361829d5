#include "cli/calibrate_page.h"

#include <fmt/format.h>

#include "sim/report/html.h"

namespace tidegate::cli {

std::string page_head(std::string_view title, std::string_view style) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n<style>\n"
      "body{{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;"
      "color:#1a2330;background:#fff}}\n"
      "table{{border-collapse:collapse}}td,th{{padding:.15em .8em;text-align:right}}"
      "tr+tr{{border-top:1px solid #dde3ea}}\n"
      "svg{{width:100%;height:auto}}svg text{{font:11px system-ui,sans-serif;fill:#5b6b7c}}\n"
      ".grid{{stroke:#e6ebf0}}polyline{{fill:none;stroke-width:1.6}}"
      ".predicted{{stroke:#d9480f;stroke-dasharray:5 3}}\n{1}\n"
      "</style>\n<h1>{0}</h1>\n",
      sim::html_text(title), style);
}

}  // namespace tidegate::cli
