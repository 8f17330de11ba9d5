# What Doxygen reads instead of a header: our `//` comments as its `///`, and names without `v1`.
#
# The comment at the top is about the file, and about the class that the file is named after unless that has a comment
# of its own. A comment that an empty line follows is about no declaration and stays what it is.

function documented(line) {
  sub(/^ *\/\//, "", line)
  if (line ~ /^   /) return "///  " line  # Code in a comment: Markdown wants four spaces.
  gsub(/</, "\\&lt;", line)
  return "///" line
}

function flush_comment(as_documentation, i) {
  for (i = 0; i < kept; ++i) print as_documentation ? documented(comment[i]) : comment[i]
  kept = 0
}

FNR == 1 {
  at_top = 1
  name = FILENAME
  gsub(/.*\/|\.h$/, "", name)
  print "/// \\file\n///"
}
at_top && /^\/\// {
  top = top documented($0) "\n"
  print documented($0)
  next
}
{ at_top = 0 }
/^inline namespace v1 \{|^}  \/\/ namespace v1/ { $0 = "" }
/^ *\/\// { comment[kept++] = $0; next }
kept == 0 && $0 ~ "^(class|struct) (LINARITE_API )?" name " \\{" { printf "%s", top }
{ flush_comment($0 !~ /^ *$/) }
!/^ *}/ && /[^ ].*[^:]\/\/ / { sub(/\/\/ /, "///< ") }
{ print }
