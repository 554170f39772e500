using System.CommandLine;

namespace Shop;

/// <summary>Prints what a shell needs to complete the shop's commands: a function that asks the program itself.</summary>
internal static class Completion
{
    // The program's own name is no part of what it completes.
    private const string Bash = """
        _shop() {
          local line="${COMP_LINE#* }"
          local at=$((COMP_POINT - ${#COMP_LINE} + ${#line}))
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$at]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -F _shop shop ./shop
        """;

    private const string Zsh = """
        _shop() {
          local line="${BUFFER#* }"
          compadd -- ${(f)"$(${words[1]} "[suggest:${#line}]" "$line" 2>/dev/null)"}
        }
        compdef _shop shop ./shop
        """;

    public static Command Command()
    {
        var shell = new Argument<string>("shell");
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var completion = new Command("completion", "Print the script that completes commands.\n\n  source <(./shop completion bash)") { shell };
        completion.SetAction(parsed => Console.Out.WriteLine(parsed.GetValue(shell) == "bash" ? Bash : Zsh));
        return completion;
    }
}
