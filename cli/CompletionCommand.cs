using System.CommandLine;
using System.CommandLine.Completions;

namespace Shop;

/// <summary>Prints a shell function that completes the shop's commands by calling the program.</summary>
internal static class CompletionCommand
{
    // The program's own name is not part of the line that it completes.
    private const string Bash = """
        _shop() {
          local line="${COMP_LINE#* }"
          local at=$((COMP_POINT - ${#COMP_LINE} + ${#line}))
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$at]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -F _shop shop ./shop
        """;

    private const string Zsh = """
        (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
        _shop() {
          local line="${words[2,CURRENT-1]} $PREFIX"
          compadd -- ${(f)"$(${words[1]} "[suggest:${#line}]" "$line" 2>/dev/null)"}
        }
        compdef _shop shop ./shop
        """;

    /// <summary>By default only a further value is completed after an option that may take several; this also completes the next option.</summary>
    public static void CompleteAfterOptions(Command command)
    {
        foreach (var option in command.Options)
        {
            if (option.ValueType == typeof(bool)) option.Arity = ArgumentArity.Zero;
            else if (option.Arity.MaximumNumberOfValues > 1) option.CompletionSources.Add(CompleteOptions);
        }
        foreach (var sub in command.Subcommands) CompleteAfterOptions(sub);
    }

    private static IEnumerable<CompletionItem> CompleteOptions(CompletionContext typed) =>
        typed.WordToComplete.StartsWith('-') ? typed.ParseResult.CommandResult.Command.GetCompletions(typed) : [];

    public static Command Command()
    {
        var shell = new Argument<string>("shell");
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var completion = new Command("completion", """
            Print the script that completes commands, options and their values.

              source <(./shop completion bash)
              source <(./shop completion zsh)
            """) { shell };
        completion.SetAction(parsed => Console.Out.WriteLine(parsed.GetValue(shell) == "bash" ? Bash : Zsh));
        return completion;
    }
}
