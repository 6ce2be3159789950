-- SPDX-License-Identifier: Apache-2.0
-- Executable memory that no file backs, and how it begins.
plugin = {
  name = "exec", version = "1.0.0", record = "exec",
  summary = "executable memory that no file backs",
  columns = {
    { name = "process.pid", kind = "int", flags = "key" },
    { name = "process.name", kind = "str" },
    { name = "vad.start", kind = "addr", flags = "key" },
    { name = "vad.protection", kind = "str" },
    { name = "vad.head", kind = "bytes", doc = "its first bytes" },
  },
  options = {{ name = "bytes", kind = "uint", default = "8", doc = "how many" }},
}
function on_vad(process, vad)
  local section = vad:section()
  if not vad:executable() or section and section.file_name then return end
  local head, why = process:read(vad.start, option("bytes"))
  emit{ pid = process.pid, name = process.name or process:why("name"),
        start = vad.start, protection = vad.protection, head = head or why }
end
