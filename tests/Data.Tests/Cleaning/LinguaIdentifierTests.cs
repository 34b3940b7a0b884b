using ElasticTrain.Core;
using ElasticTrain.Data.Cleaning;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class LinguaIdentifierTests
{
    private static readonly LinguaIdentifier Identifier = new();

    [Theory]
    [InlineData("en", "The quick brown fox jumps over the lazy dog while everybody else is still sleeping in their beds, and nobody knows why.")]
    [InlineData("de", "Der schnelle braune Fuchs springt über den faulen Hund, während alle anderen noch in ihren Betten schlafen, und niemand weiß warum.")]
    [InlineData("fr", "Le renard brun saute par-dessus le chien paresseux pendant que tous les autres dorment encore dans leurs lits, et personne ne sait pourquoi.")]
    [InlineData("es", "El veloz zorro marrón salta sobre el perro perezoso mientras todos los demás siguen durmiendo en sus camas, y nadie sabe por qué.")]
    [InlineData("ru", "Быстрая коричневая лиса перепрыгивает через ленивую собаку, пока все остальные ещё спят в своих кроватях.")]
    [InlineData("zh", "敏捷的棕色狐狸跳过懒狗，而其他人还在床上睡觉，没有人知道为什么。")]
    [InlineData("ja", "素早い茶色の狐がのろまな犬を飛び越える。みんなはまだベッドで眠っている。")]
    [InlineData("ko", "빠른 갈색 여우가 게으른 개를 뛰어넘는 동안 다른 모든 사람들은 아직 침대에서 자고 있다.")]
    [InlineData("ar", "يقفز الثعلب البني السريع فوق الكلب الكسول بينما لا يزال الجميع نائمين في أسرتهم.")]
    [InlineData("tr", "Hızlı kahverengi tilki tembel köpeğin üzerinden atlarken diğer herkes hâlâ yataklarında uyuyor ve kimse nedenini bilmiyor.")]
    public void Languages_are_told_apart(string code, string text)
    {
        LanguageGuess guess = Identifier.Identify(text);
        Assert.Equal(code, guess.Code);
        Assert.InRange(guess.Confidence, 0.65, 1);
    }

    [Theory]
    [InlineData("")]
    [InlineData("42 + 17 = 59 ...")]
    public void Without_letters_there_is_no_language(string text) => Assert.Equal(new LanguageGuess(LanguageGuess.Unknown, 0), Identifier.Identify(text));

    [Fact]
    public void Text_of_two_languages_is_less_sure()
    {
        const string English = "The quick brown fox jumps over the lazy dog while everybody else is still sleeping. ", German = "Der schnelle braune Fuchs springt über den faulen Hund, während alle anderen schlafen. ";
        string mixed = string.Concat(Enumerable.Repeat(English, 4)) + string.Concat(Enumerable.Repeat(German, 3));
        Assert.InRange(Identifier.Identify(mixed).Confidence, 0.3, 0.9);
        Assert.InRange(Identifier.Identify(string.Concat(Enumerable.Repeat(English, 7))).Confidence, 0.95, 1);
    }

    [Fact]
    public void Neither_threads_nor_cultures_nor_the_current_directory_matter()
    {
        string[] texts = [.. Texts.Breakable, .. Texts.Tempting];
        LanguageGuess[] expected = [.. texts.Select(Identifier.Identify)];
        Assert.Equal(expected, texts.AsParallel().AsOrdered().WithDegreeOfParallelism(8).Select(Identifier.Identify));
        Cultures.Turkish(() => Assert.Equal(expected, texts.Select(new LinguaIdentifier().Identify)));
    }

    [Fact]
    public void Languages_without_a_model_are_refused()
    {
        var error = Assert.Throws<BadInputException>(() => new LinguaIdentifier(["en", "xx"]));
        Assert.Contains("\"xx\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("de, el, en", error.Message, StringComparison.Ordinal);
        Assert.Throws<BadInputException>(() => new LinguaIdentifier(["en"]));
    }
}
